"""What the help page says works click for click: in its Dutch words, and in English.

The words stand here as a person reads them, not as the catalogue has them.
"""

import re
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command
from playwright.sync_api import expect

from tests.desk import QUESTION, Desk, letter
from tests.mails import Maildir
from tests.mailservers import smtp_server
from tests.receivers import receiving
from tests.threads.staffing import busy_office, working_office
from threads.models import IngestRecord, Message, Original, Source, Thread
from webhooks.models import Delivery, Webhook

SAID = {
    "nl": {
        "settings": "Instellingen",
        "webhooks": "Webhooks",
        "new webhook": "Nieuwe webhook",
        "events": [
            "Nieuw bericht ontvangen",
            "Nieuwe thread aangemaakt",
            "Thread afgesloten",
            "Thread toegewezen",
        ],
        "more events": "Meer events",
        "undeliverable": "Antwoord onbestelbaar",
        "save": "Opslaan",
        "secret": "Webhook secret",
        "copy": "Kopiëren",
        "copied": "Gekopieerd",
        "test": "Testevent versturen",
        "test event": "Testevent",
        "delivered": "Bezorgd.",
        "attempts": "Pogingen",
        "again": "Opnieuw bezorgen",
        "gone again": "De bezorging gaat opnieuw de deur uit",
        "sources": "Mailbronnen",
        "test source": "Verbinding testen",
        "connected": "Verbonden. 0 mails gevonden.",
        "delivery": "Bezorging",
        "quarantine": "Quarantaine",
        "try": "Opnieuw verwerken",
        "tried": "1 mail wordt bij de volgende ronde van ingest opnieuw verwerkt.",
        "work": "Werk",
        "threads": "Threads",
        "dashboard": "Overzicht",
        "your reply": "Je antwoord",
        "send": "Antwoord versturen",
        "sent": "Het antwoord is onderweg.",
        "send and close": "Versturen en afsluiten",
        "sent and closed": "Het antwoord is onderweg en de thread is afgesloten.",
        "why": "Waarom staat dit hier?",
        "because": "Begin van een thread: het verwijst naar geen ander bericht.",
        "original": "Origineel bericht (.eml)",
        "assign": "Aan mij toewijzen",
        "assigned": "De thread is toegewezen aan Teamlid.",
        "reopen": "Heropenen",
        "reopened": "De thread is weer open.",
        "close": "Thread afsluiten",
        "closed": "De thread is afgesloten.",
        "note": "Interne notitie",
        "save note": "Notitie opslaan",
        "noted": "De notitie is opgeslagen; hij wordt niet gemaild.",
        "needed": "Wat aandacht vraagt",
        "calm": "Niets vraagt nu je aandacht",
        "failed": "Een antwoord is niet te verzenden: Retour bestelling",
        "in doubt": "Onzeker of een antwoord is verzonden: Offerte kozijnen",
        "not understood": "2 mails waren niet te begrijpen",
        "steps": ["Maak een mailbox", "Laat mail binnenkomen"],
    },
    "en": {
        "settings": "Settings",
        "webhooks": "Webhooks",
        "new webhook": "New webhook",
        "events": [
            "New message received",
            "New thread created",
            "Thread closed",
            "Thread assigned",
        ],
        "more events": "More events",
        "undeliverable": "Reply could not be delivered",
        "save": "Save",
        "secret": "Webhook secret",
        "copy": "Copy",
        "copied": "Copied",
        "test": "Send test event",
        "test event": "Test event",
        "delivered": "Delivered.",
        "attempts": "Attempts",
        "again": "Send again",
        "gone again": "It goes out again",
        "sources": "Sources",
        "test source": "Test connection",
        "connected": "Connected. 0 mails found.",
        "delivery": "Delivery",
        "quarantine": "Quarantine",
        "try": "Try again",
        "tried": "1 mail is tried again with the next pass of ingest.",
        "work": "Work",
        "threads": "Threads",
        "dashboard": "Dashboard",
        "your reply": "Your reply",
        "send": "Send reply",
        "sent": "The reply is on its way.",
        "send and close": "Send and close",
        "sent and closed": "The reply is on its way, and the thread is closed.",
        "why": "Why is this here?",
        "because": "It began a thread: it refers to no other message.",
        "original": "Original message (.eml)",
        "assign": "Assign to me",
        "assigned": "The thread is assigned to Teamlid.",
        "reopen": "Reopen",
        "reopened": "The thread is open again.",
        "close": "Close thread",
        "closed": "The thread is closed.",
        "note": "Internal note",
        "save note": "Save note",
        "noted": "The note is saved; it is not mailed.",
        "needed": "What needs a person",
        "calm": "Nothing needs you now",
        "failed": "A reply could not be sent: Retour bestelling",
        "in doubt": "Whether a reply was sent is in doubt: Offerte kozijnen",
        "not understood": "2 mails could not be understood",
        "steps": ["Make a mailbox", "Let mail come in"],
    },
}
both = pytest.mark.parametrize("language", ["nl", "en"])


@pytest.fixture
def said(language):
    return SAID[language]


@pytest.fixture
def receiver(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with receiving((200, {}, b"dank je")) as running:
        yield running


@pytest.fixture
def desk(transactional_db):
    return Desk()


def _click(page, group, item):
    """In the menu: the item that stands under the heading of its group."""
    listed = page.locator("#nav-sidebar-apps > div", has_text=group)
    listed.get_by_text(item, exact=True).click()


@both
def test_a_webhook_is_made_tested_and_told_again(
    open_site, receiver, desk, language, said
):
    page = open_site(language)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/admin/")
    _click(page, said["settings"], said["webhooks"])
    page.get_by_role("link", name=said["new webhook"]).click()
    page.get_by_label("URL").fill(receiver.url)
    choices = page.locator("#id_events label:visible")
    expect(choices).to_contain_text(said["events"])
    page.get_by_label(said["events"][0]).check()
    page.get_by_text(said["more events"], exact=True).click()
    page.get_by_label(said["undeliverable"]).check()
    page.get_by_role("button", name=said["save"], exact=True).click()
    expect(page.get_by_role("heading", name=said["secret"])).to_be_visible()
    webhook = Webhook.objects.get()
    assert urlsplit(page.url).path == f"/admin/webhooks/webhook/{webhook.pk}/change/"
    assert webhook.events == ["message.received", "message.bounced"]
    secret = webhook.secrets.get().value
    assert secret not in page.content()
    page.get_by_role("button", name=said["copy"]).click()
    expect(page.get_by_role("button", name=said["copied"])).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    page.get_by_role("button", name=said["test"], exact=True).click()
    expect(page.locator("#test-result")).to_contain_text(said["delivered"])
    assert len(receiver.requests) == 1
    page.get_by_role("link", name=said["test event"], exact=True).click()
    expect(page.get_by_role("heading", name=said["attempts"])).to_be_visible()
    page.get_by_role("button", name=said["again"], exact=True).click()
    expect(page.get_by_text(said["gone again"])).to_be_visible()
    assert Delivery.objects.filter(replay_no=1, state="pending").exists()


@both
def test_a_source_is_tested(open_site, desk, language, said, tmp_path):
    folder = Maildir(tmp_path / "Maildir").path
    Source.objects.update(location=str(folder), active=True)
    page = open_site(language)
    page.goto("/admin/")
    _click(page, said["settings"], said["sources"])
    page.get_by_role("link", name=str(folder)).click()
    page.get_by_role("button", name=said["test source"], exact=True).click()
    expect(page.get_by_text(said["connected"])).to_be_visible()


@both
def test_a_mail_in_quarantine_is_tried_again(open_site, desk, language, said):
    Source.objects.update(active=True)
    original = Original.objects.create(sha256="0" * 64, size=1, content=b"x")
    IngestRecord.objects.create(
        source=Source.objects.get(),
        ref="1700.M1P1.host",
        size=1,
        original=original,
        state="quarantined",
        last_error="ValueError: an old bug",
    )
    page = open_site(language)
    page.goto("/admin/")
    _click(page, said["delivery"], said["quarantine"])
    page.get_by_role("link", name="ValueError: an old bug").click()
    page.get_by_role("button", name=said["try"], exact=True).click()
    expect(page.get_by_text(said["tried"])).to_be_visible()


@both
def test_a_conversation_is_answered_and_closed(open_site, desk, language, said):
    desk.arrive(letter(QUESTION))
    with smtp_server() as sink:
        desk.mailbox.smtp = {"host": "127.0.0.1", "port": sink.port, "tls": "none"}
        desk.mailbox.save()
        page = open_site(language)
        page.goto("/admin/")
        _click(page, said["work"], said["threads"])
        page.get_by_role("link", name="Vraag over factuur 20418").click()
        page.get_by_text(said["why"], exact=True).click()
        expect(page.get_by_text(said["because"])).to_be_visible()
        expect(page.get_by_role("link", name=said["original"])).to_be_visible()
        page.get_by_role("button", name=said["assign"], exact=True).click()
        expect(page.get_by_text(said["assigned"])).to_be_visible()
        page.get_by_label(said["your reply"], exact=True).fill("Dat klopt.")
        page.get_by_role("button", name=said["send"], exact=True).click()
        expect(page.get_by_text(said["sent"], exact=True)).to_be_visible()
        page.get_by_label(said["your reply"], exact=True).fill("Tot ziens.")
        page.get_by_role("button", name=said["send and close"], exact=True).click()
        expect(page.get_by_text(said["sent and closed"])).to_be_visible()
        assert Thread.objects.get().status == "closed"
        page.get_by_role("button", name=said["reopen"], exact=True).click()
        expect(page.get_by_text(said["reopened"])).to_be_visible()
        page.get_by_role("button", name=said["close"], exact=True).click()
        expect(page.get_by_text(said["closed"], exact=True)).to_be_visible()
        page.locator("label[for=mb-kind-note]", has_text=said["note"]).click()
        page.get_by_role("textbox", name=said["note"]).fill("Klant is blij.")
        page.get_by_role("button", name=said["save note"], exact=True).click()
        expect(page.get_by_text(said["noted"])).to_be_visible()
        call_command("deliver", "--once")
    assert len(sink.mails) == 2
    assert set(Message.objects.filter(via="admin").values_list("status")) == {("sent",)}


@both
def test_the_dashboard_leads_to_what_needs_a_person(open_site, staff, language, said):
    page = open_site(language)
    page.goto("/admin/")
    titles = page.locator(".board-step strong")
    expect(titles.nth(0)).to_have_text(said["steps"][0])
    expect(titles.nth(1)).to_have_text(said["steps"][1])
    busy_office(staff)
    page.goto("/admin/")
    expect(page.get_by_role("heading", name=said["needed"])).to_be_visible()
    for name in ("failed", "in doubt", "not understood"):
        expect(page.locator("#attention")).to_contain_text(said[name])
    page.get_by_text(said["not understood"]).click()
    page.wait_for_url("**/admin/threads/ingestrecord/**")
    _click(page, said["work"], said["dashboard"])
    page.get_by_text(said["failed"]).click()
    page.wait_for_url(re.compile("/admin/threads/thread/c"))


@both
def test_a_calm_dashboard_says_so(open_site, language, said):
    working_office()
    page = open_site(language)
    page.goto("/admin/")
    expect(page.locator("#attention")).to_contain_text(said["calm"])
