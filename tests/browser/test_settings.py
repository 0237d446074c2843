"""What the staff set up: webhooks, keys, the quarantine, their own language."""

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from playwright.sync_api import expect

from api.models import ApiKey
from api.models.key import digest
from tests.mails import Maildir, mail
from tests.receivers import receiving
from threads.models import IngestRecord, Mailbox, Message, Original, Source
from webhooks import subscriptions
from webhooks.models import Delivery, Secret

PAGE = "/admin/webhooks/webhook/{}/change/"


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def mailbox(transactional_db):
    return Mailbox.objects.create(address="support@shop.nl", name="Support")


@pytest.fixture
def receiver():
    with receiving((200, {}, b"dank je")) as running:
        yield running


@pytest.fixture
def webhook(transactional_db, receiver):
    return subscriptions.create({"url": receiver.url, "events": ["thread.closed"]})[0]


def copied(page):
    return page.evaluate("navigator.clipboard.readText()")


def may_copy(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])


def test_a_secret_is_shown_on_demand_and_the_history_says_to_whom(
    open_site, webhook, staff
):
    page = open_site("en")
    page.goto(PAGE.format(webhook.pk))
    shown = page.locator("#webhook-secret")
    secret = webhook.secrets.get().value
    assert secret not in page.content()
    page.get_by_role("button", name="Show").click()
    expect(shown).to_have_text(secret)
    page.get_by_role("button", name="Hide").click()
    expect(shown).not_to_have_text(secret)
    entry = LogEntry.objects.get()
    assert entry.user == staff
    assert entry.object_id == str(webhook.pk)
    assert "secret was shown" in entry.change_message


def test_a_secret_is_renewed_and_the_old_one_retired(open_site, webhook):
    page = open_site("en")
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(PAGE.format(webhook.pk))
    old = webhook.secrets.get()
    page.get_by_role("button", name="Rotate secret").click()
    expect(page.get_by_text("1 old secret still signs too.")).to_be_visible()
    assert set(Secret.objects.live()) == {old, Secret.objects.latest("pk")}
    page.get_by_role("button", name="Retire old secret now").click()
    expect(page.get_by_text("Only the newest secret signs")).to_be_visible()
    assert list(Secret.objects.live()) == [Secret.objects.latest("pk")]


def test_a_test_event_is_sent_and_its_answer_stands_on_the_page(
    open_site, webhook, receiver
):
    page = open_site("en")
    page.goto(PAGE.format(webhook.pk))
    page.get_by_role("button", name="Send test event").click()
    result = page.locator("#test-result")
    expect(result).to_contain_text("Delivered.")
    expect(result).to_contain_text("Answer 200")
    expect(result).to_contain_text(" ms")
    assert len(receiver.requests) == 1
    assert b'"webhook.test"' in receiver.requests[0][2]
    page.get_by_role("link", name="Test event", exact=True).click()
    expect(page.get_by_text("Attempts")).to_be_visible()
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("It goes out again")).to_be_visible()
    assert Delivery.objects.filter(replay_no=1, state="pending").exists()


def test_a_test_event_that_fails_says_why(open_site, webhook, receiver):
    receiver.answers = [(404, {}, b"")]
    page = open_site("en")
    page.goto(PAGE.format(webhook.pk))
    page.get_by_role("button", name="Send test event").click()
    expect(page.locator("#test-result")).to_contain_text("Is the URL right?")


def test_a_webhook_is_paused_and_enabled_again(open_site, webhook):
    page = open_site("en")
    page.goto(PAGE.format(webhook.pk))
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Enable", exact=True)).to_be_visible()
    webhook.refresh_from_db()
    assert webhook.state == "paused"
    page.get_by_role("button", name="Enable", exact=True).click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    webhook.refresh_from_db()
    assert webhook.state == "active"


def test_an_api_key_is_shown_exactly_once(open_site, mailbox):
    page = open_site("en")
    may_copy(page)
    page.goto("/admin/api/apikey/")
    page.get_by_role("link", name="New API key").click()
    page.get_by_label("Name").fill("crm")
    page.get_by_label("messages:send", exact=False).first.uncheck()
    page.get_by_label("shop.nl").check()
    page.locator("#submit-row button[name=_save]").click()
    expect(page.get_by_text("You see this key only once. Copy it now.")).to_be_visible()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    plain = copied(page)
    key = ApiKey.objects.get()
    assert key.digest == digest(plain)
    assert key.domains == ["shop.nl"]
    assert "messages:send" not in key.scopes
    page.get_by_role("link", name="I have copied it").click()
    expect(page.get_by_text(key.prefix).first).to_be_visible()
    assert plain not in page.content()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The key works no more.")).to_be_visible()
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_who_loads_the_page_of_a_new_key_again_makes_no_second(open_site, mailbox):
    page = open_site("nl")
    page.goto("/admin/api/apikey/add/")
    expect(page).to_have_title("API-sleutel toevoegen | MailBelly")
    page.get_by_label("Naam").fill("crm")
    page.locator("#submit-row button[name=_save]").click()
    expect(page.get_by_text("Je ziet deze sleutel maar één keer.")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Intrekken")).to_be_visible()
    assert ApiKey.objects.count() == 1


def test_a_list_with_nothing_in_it_says_which_nothing(open_site):
    page = open_site("nl")
    page.goto("/admin/threads/ingestrecord/")
    expect(page).to_have_title("Quarantaine | MailBelly")
    expect(page.get_by_text("Hier staat nog niets.")).to_be_visible()
    expect(page.get_by_role("link", name="Filters wissen")).not_to_be_visible()
    page.goto("/admin/threads/ingestrecord/?q=factuur")
    expect(page.get_by_text("Hier past niets bij.")).to_be_visible()
    page.get_by_role("link", name="Filters wissen").click()
    expect(page.get_by_text("Hier staat nog niets.")).to_be_visible()


def test_a_quarantined_mail_is_tried_again(open_site, mailbox, tmp_path):
    folder = Maildir(tmp_path / "Maildir")
    source = Source.objects.create(
        mailbox=mailbox, kind="maildir", location=str(folder.path)
    )
    content = mail()
    record = IngestRecord.objects.create(
        source=source,
        ref="1700.M1P1.host",
        size=len(content),
        original=Original.objects.create(
            sha256="0" * 64, size=len(content), content=content
        ),
        state=IngestRecord.State.QUARANTINED,
        attempts=1,
        last_error="Traceback …\nValueError: an old bug",
    )
    page = open_site("en")
    page.goto("/admin/threads/ingestrecord/")
    page.get_by_role("link", name="ValueError: an old bug").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Original (.eml)").click()
    assert download.value.path().read_bytes() == content
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("1 mail is tried again")).to_be_visible()
    call_command("ingest")
    before = record.received_at
    record.refresh_from_db()
    assert record.state == "done"
    assert record.received_at == before
    assert Message.objects.get().subject == "Vraag over factuur"


def test_the_language_is_switched_in_the_menu_of_the_user(open_site, staff):
    page = open_site("nl")
    page.goto("/admin/")
    expect(page.locator("html")).to_have_attribute("lang", "nl")
    page.get_by_text("teamlid@shop.nl").click()
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    staff.refresh_from_db()
    assert staff.language == "en"
