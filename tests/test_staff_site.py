"""The staff site without a browser: who may do what, and what is never shown."""

from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from api.models import ApiKey
from mailbelly import env
from mailbelly.sidebar import navigation
from threads.access import groups
from threads.admin import system
from threads.models import IngestRecord, Mailbox, Original, Source, Team, User
from webhooks import outbox, subscriptions
from webhooks.admin.words import EVENTS as WORDS
from webhooks.admin.words import FIRST_EVENTS
from webhooks.catalogue import EVENTS, TEST
from webhooks.models import Delivery, Webhook

PASSWORD = "geheim-wachtwoord-9"


@pytest.fixture(autouse=True)
def plain_files(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": plain}}


@pytest.fixture
def boss(db):
    return User.objects.create_superuser(
        "baas", "baas@shop.nl", PASSWORD, language="en"
    )


@pytest.fixture
def site(client, boss):
    client.force_login(boss)
    return client


@pytest.fixture
def member(db):
    """Somebody of the staff whom nobody gave any right."""
    return User.objects.create_user(
        "lid", "lid@shop.nl", PASSWORD, is_staff=True, language="en"
    )


@pytest.fixture
def webhook(db):
    values = {
        "url": "http://127.0.0.1:8009/",
        "events": ["thread.closed"],
        "headers": {"X-Key": "heel-geheim-1"},
        "basic_auth": {"username": "gebruiker", "password": "heel-geheim-2"},
    }
    return subscriptions.create(values)[0]


@pytest.fixture
def mailbox(db):
    return Mailbox.objects.create(
        address="support@shop.nl",
        smtp={"host": "smtp.shop.nl", "username": "u", "password": "heel-geheim-3"},
    )


@pytest.fixture
def everything(webhook, mailbox, tmp_path):
    """One row of each kind that has buttons."""
    source = Source.objects.create(mailbox=mailbox, location=str(tmp_path))
    original = Original.objects.create(sha256="0" * 64, size=1, content=b"x")
    record = IngestRecord.objects.create(
        source=source, ref="1", size=1, original=original, state="quarantined"
    )
    key, _plain = ApiKey.objects.issue("crm")
    delivery = outbox.test(webhook, TEST)
    Delivery.objects.update(state="exhausted")
    return {
        "webhooks_webhook": webhook.pk,
        "webhooks_delivery": delivery.pk,
        "threads_mailbox": mailbox.pk,
        "threads_source": source.pk,
        "threads_ingestrecord": record.public_id,
        "api_apikey": key.pk,
    }


BUTTONS = {
    "webhooks_webhook": (
        "reveal",
        "rotate_secret",
        "retire_secret",
        "send_test",
        "enable",
        "enable_with_backlog",
        "pause",
        "switch_off",
    ),
    "webhooks_delivery": ("send_again", "try_now", "give_up"),
    "threads_mailbox": ("test_smtp",),
    "threads_source": ("test_connection",),
    "threads_ingestrecord": ("try_again",),
    "api_apikey": ("revoke",),
}
ALL_BUTTONS = [(page, button) for page, names in BUTTONS.items() for button in names]


def state_of_all():
    return [
        list(model.objects.order_by("pk").values())
        for model in (Webhook, Delivery, IngestRecord, ApiKey, Source)
    ]


@pytest.mark.parametrize(("row", "button"), ALL_BUTTONS)
def test_no_button_works_by_get_nor_without_the_right(
    site, client, member, everything, row, button
):
    """Who had to log in first comes by GET, and finds the page that has the button."""
    url = reverse(f"admin:{row}_{button}", args=[everything[row]])
    before = state_of_all()
    assert site.get(url, follow=True).status_code == 200
    client.force_login(member)
    assert client.post(url).status_code == 403
    app, model = row.split("_")
    member.user_permissions.add(
        Permission.objects.get(content_type__app_label=app, codename=f"view_{model}")
    )
    assert client.post(url).status_code == 403
    assert state_of_all() == before


def test_the_history_of_buttons_speaks_to_who_reads_it(site, boss, everything):
    User.objects.update(language="nl")
    page = f"/admin/webhooks/webhook/{everything['webhooks_webhook']}"
    site.post(f"{page}/rotate-secret/")
    for language, words in (
        ("nl", "Het webhook secret is vernieuwd."),
        ("en", "The webhook secret was renewed."),
    ):
        User.objects.update(language=language)
        assert words in site.get(f"{page}/history/").content.decode()
    assert site.get("/admin/webhooks/webhook/999/history/").status_code == 302


def test_a_button_wants_a_token(everything, boss):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(boss)
    url = reverse("admin:webhooks_webhook_pause", args=[everything["webhooks_webhook"]])
    assert strict.post(url).status_code == 403


def test_whoever_has_no_right_sees_none_of_it(client, member, rf, everything):
    client.force_login(member)
    request = rf.get("/admin/")
    request.user = member
    groups = navigation(request)
    assert [item["link"] for group in groups for item in group["items"]] == ["/admin/"]
    for page in (*everything, "webhooks_event", "threads_user", "django_q_schedule"):
        url = reverse(f"admin:{page}_changelist")
        assert client.get(url).status_code == 403, page
    assert client.get("/admin/system/").status_code == 403


def test_the_queue_is_for_superusers_alone(client, member, site):
    member.user_permissions.set(Permission.objects.all())
    assert site.get(reverse("admin:django_q_schedule_changelist")).status_code == 200
    assert site.get(reverse("admin:django_q_schedule_add")).status_code == 403
    client.force_login(member)
    for page in ("django_q_schedule", "django_q_ormq", "auth_group"):
        assert client.get(reverse(f"admin:{page}_changelist")).status_code == 403


def test_the_page_of_the_system_names_only_settings_there_are():
    assert set(env.asked()) >= system._SHOWN


# --- What is never shown -----------------------------------------------------------


def test_headers_and_passwords_are_write_only(site, webhook, mailbox):
    page = site.get(f"/admin/webhooks/webhook/{webhook.pk}/change/").content.decode()
    assert "X-Key" in page
    assert "gebruiker" in page
    for word in ("heel-geheim-1", "heel-geheim-2", webhook.secrets.get().value):
        assert word not in page
    page = site.get(f"/admin/threads/mailbox/{mailbox.pk}/change/").content.decode()
    assert "smtp.shop.nl" in page
    assert "heel-geheim-3" not in page


def form_of(webhook, **values):
    return {
        "url": webhook.url,
        "events": webhook.events,
        "timeout": 15,
        "max_in_flight": 4,
        "include_auto": "on",
        "include_body": "on",
        "username": "gebruiker",
        **values,
    }


def test_hidden_values_stay_when_nobody_touches_them(site, webhook):
    url = f"/admin/webhooks/webhook/{webhook.pk}/change/"
    answer = site.post(url, form_of(webhook, timeout=20))
    assert answer.status_code == 302, answer.context["errors"]
    webhook.refresh_from_db()
    assert webhook.timeout == 20
    assert webhook.headers == {"X-Key": "heel-geheim-1"}
    assert webhook.basic_auth["password"] == "heel-geheim-2"


def test_a_webhook_gets_its_pace_on_its_page(site, webhook):
    url = f"/admin/webhooks/webhook/{webhook.pk}/change/"
    answer = site.post(url, form_of(webhook, rate_limit=5, ordered="on"))
    assert answer.status_code == 302, answer.context["errors"]
    webhook.refresh_from_db()
    assert (webhook.rate_limit, webhook.ordered) == (5, True)
    refused = site.post(url, form_of(webhook, rate_limit=0))
    assert refused.status_code == 200
    assert refused.context["adminform"].form.errors.keys() == {"rate_limit"}
    site.post(url, form_of(webhook))
    webhook.refresh_from_db()
    assert (webhook.rate_limit, webhook.ordered) == (None, False)


def test_hidden_values_are_added_removed_and_replaced(site, webhook):
    url = f"/admin/webhooks/webhook/{webhook.pk}/change/"
    site.post(url, form_of(webhook, new_headers="X-More: 1\nX-Two: a:b"))
    webhook.refresh_from_db()
    assert webhook.headers == {
        "X-Key": "heel-geheim-1",
        "X-More": "1",
        "X-Two": "a:b",
    }
    site.post(url, form_of(webhook, drop_headers=["X-Key", "X-Two"], username=""))
    webhook.refresh_from_db()
    assert webhook.headers == {"X-More": "1"}
    assert webhook.basic_auth is None


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"url": "ftp://example.com/"}, "url"),
        ({"url": "http://10.0.0.1/"}, "url"),
        ({"events": []}, "events"),
        ({"timeout": 60}, "timeout"),
        ({"new_headers": "no colon"}, "new_headers"),
        ({"new_headers": "Host: other"}, "new_headers"),
        ({"new_headers": "Authorization: x"}, "new_headers"),
        ({"username": "é", "password": "x"}, "password"),
    ],
)
def test_a_refusal_stands_at_its_field(site, webhook, values, field):
    url = f"/admin/webhooks/webhook/{webhook.pk}/change/"
    answer = site.post(url, form_of(webhook, **values))
    assert answer.status_code == 200
    assert list(answer.context["adminform"].form.errors) == [field]


def test_a_refused_address_names_the_mend(site, webhook):
    url = f"/admin/webhooks/webhook/{webhook.pk}/change/"
    answer = site.post(url, form_of(webhook, url="http://10.0.0.1/"))
    said = answer.context["adminform"].form.errors["url"][0]
    assert "WEBHOOK_ALLOWED_NETWORKS=127.0.0.0/8,10.0.0.1" in said


def test_a_mailbox_keeps_its_password_and_reads_its_lists(site, mailbox):
    url = f"/admin/threads/mailbox/{mailbox.pk}/change/"
    values = {
        "address": mailbox.address,
        "authserv_ids": "mx.shop.nl, MX2.shop.nl\nmx.shop.nl",
        "smtp_host": "smtp.shop.nl",
        "smtp_port": 465,
        "smtp_tls": "ssl",
        "smtp_username": "u",
        "alias_set-TOTAL_FORMS": 0,
        "alias_set-INITIAL_FORMS": 0,
    }
    answer = site.post(url, values)
    assert answer.status_code == 302, answer.context["errors"]
    mailbox.refresh_from_db()
    assert mailbox.trusted_authserv_ids == ["mx.shop.nl", "mx2.shop.nl"]
    assert mailbox.smtp == {
        "host": "smtp.shop.nl",
        "port": 465,
        "tls": "ssl",
        "username": "u",
        "password": "heel-geheim-3",
    }
    answer = site.post(url, {**values, "smtp_tls": "none"})
    assert "without TLS everybody on the way" in answer.content.decode()
    mailbox.refresh_from_db()
    assert mailbox.smtp["tls"] == "ssl"
    site.post(url, {**values, "smtp_host": ""})
    mailbox.refresh_from_db()
    assert mailbox.smtp == {}


def test_a_stored_password_is_not_sent_to_another_server(site, mailbox):
    """Who may change a mailbox would read it there."""
    url = f"/admin/threads/mailbox/{mailbox.pk}/change/"
    values = {
        "address": mailbox.address,
        "smtp_host": "smtp.evil.example",
        "smtp_tls": "starttls",
        "smtp_username": "u",
        "alias_set-TOTAL_FORMS": 0,
        "alias_set-INITIAL_FORMS": 0,
    }
    answer = site.post(url, values)
    assert list(answer.context["adminform"].form.errors) == ["smtp_password"]
    mailbox.refresh_from_db()
    assert mailbox.smtp["host"] == "smtp.shop.nl"
    assert site.post(url, {**values, "smtp_password": "nieuw"}).status_code == 302
    mailbox.refresh_from_db()
    assert mailbox.smtp["password"] == "nieuw"


@pytest.mark.parametrize(
    ("login", "secret"), [("password", "password"), ("oauth", "refresh_token")]
)
def test_nor_is_that_of_a_source(site, mailbox, login, secret):
    kept = {"login": login, "client_id": "c", secret: "heel-geheim-4"}
    kept["token_url"] = "https://login.shop.nl/token"
    source = Source.objects.create(
        mailbox=mailbox,
        kind="imap",
        active=False,
        settings=kept,
        location="imaps://u@imap.shop.nl/INBOX",
    )
    url = f"/admin/threads/source/{source.pk}/change/"
    values = {
        "mailbox": mailbox.pk,
        "kind": "imap",
        "login": login,
        "start": "now",
        "host": "imap.shop.nl",
        "username": "u",
        "imap_folder": "INBOX",
        "security": "tls",
        "client_id": "c",
        "token_url": kept["token_url"],
    }
    assert site.post(url, values).status_code == 302
    answer = site.post(url, {**values, "host": "imap.evil.example"})
    assert list(answer.context["adminform"].form.errors) == [secret]
    source.refresh_from_db()
    assert "evil" not in source.location
    if login == "oauth":
        elsewhere = {**values, "token_url": "https://evil.example/token"}
        answer = site.post(url, elsewhere)
        assert list(answer.context["adminform"].form.errors) == [secret]


def test_a_key_expires_later_than_now(site, mailbox):
    values = {"name": "crm", "scopes": ["threads:read"], "rate_limit": 600}
    past = {"expires_at_0": "2020-01-01", "expires_at_1": "12:00"}
    answer = site.post("/admin/api/apikey/add/", {**values, **past})
    assert list(answer.context["adminform"].form.errors) == ["expires_at"]
    assert not ApiKey.objects.exists()
    key, _plain = ApiKey.objects.issue("oud")
    ApiKey.objects.update(expires_at=datetime(2020, 1, 1, 11, tzinfo=UTC))
    url = f"/admin/api/apikey/{key.pk}/change/"
    assert site.post(url, {**values, **past, "name": "ouder"}).status_code == 302
    assert ApiKey.objects.get().name == "ouder"


def test_a_new_key_is_in_its_one_answer_and_nowhere_else(site, mailbox, caplog):
    values = {"name": "crm", "scopes": ["threads:read"], "rate_limit": 600}
    answer = site.post("/admin/api/apikey/add/", values)
    plain = answer.context["key"]
    assert plain in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    stored = [session.get_decoded() for session in Session.objects.all()]
    assert plain not in repr(stored)
    assert plain not in repr(site.cookies)
    assert plain not in caplog.text
    key = ApiKey.objects.get()
    assert plain not in site.get(f"/admin/api/apikey/{key.pk}/change/").content.decode()


def test_the_system_page_shows_names_and_no_secrets(site, settings):
    page = site.get("/admin/system/").content.decode()
    for name in ("ENCRYPTION_KEYS", "DATABASE_URL", "PUBLIC_URL", "http://testserver"):
        assert name in page
    secrets = [settings.SECRET_KEY, *settings.ENCRYPTION_KEYS]
    assert [word for word in secrets if word in page] == []


def test_the_original_of_a_quarantined_mail_is_a_download(site, everything):
    name = everything["threads_ingestrecord"]
    answer = site.get(f"/admin/threads/ingestrecord/{name}/original/")
    assert answer.content == b"x"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}.eml"'
    assert answer["X-Content-Type-Options"] == "nosniff"


# --- Webhooks and deliveries ------------------------------------------------------


def given_up(webhook, day):
    sent = outbox.test(webhook, TEST)
    Delivery.objects.filter(pk=sent.pk).update(
        state="exhausted", created_at=datetime(2026, 1, day, 12, tzinfo=UTC)
    )
    return sent


def test_what_was_given_up_since_a_day_goes_out_again(site, webhook):
    old, new = given_up(webhook, 1), given_up(webhook, 20)
    done = outbox.test(webhook, TEST)
    Delivery.objects.filter(pk=done.pk).update(state="succeeded")
    values = {
        "action": "send_failed_again",
        "select_across": 1,
        "_selected_action": [old.pk, new.pk, done.pk],
    }
    url = "/admin/webhooks/delivery/?created_at_from=2026-01-10"
    assert site.get(url).context["cl"].result_count == 2
    answer = site.post(url, values, follow=True)
    assert "1 delivery goes out again." in answer.content.decode()
    again = Delivery.objects.get(replay_no=1)
    assert again.event == new.event


def test_deliveries_are_found_by_state_event_and_webhook(site, webhook):
    given_up(webhook, 1)
    for query, count in (
        ("state__exact=exhausted", 1),
        ("state__exact=held", 0),
        ("event=webhook.test", 1),
        ("event=thread.closed", 0),
        (f"webhook__id__exact={webhook.pk}", 1),
        ("created_at_from=2026-01-02", 0),
        ("created_at_to=2025-12-31", 0),
        ("created_at_from=2026-01-01&created_at_to=2026-01-01", 1),
        ("created_at_from=nonsense", 1),
    ):
        listed = site.get(f"/admin/webhooks/delivery/?{query}").context["cl"]
        assert listed.result_count == count, query


def test_a_deleted_webhook_leaves_its_deliveries_readable(site, webhook):
    sent = given_up(webhook, 1)
    url = f"/admin/webhooks/webhook/{webhook.pk}/delete/"
    assert site.get(url).status_code == 200
    assert site.post(url, {"post": "yes"}).status_code == 302
    assert not Webhook.objects.present().exists()
    assert site.get(f"/admin/webhooks/delivery/{sent.pk}/change/").status_code == 200


def test_why_a_delivery_has_not_arrived_is_a_sentence(site, webhook):
    sent = outbox.test(webhook, TEST)
    url = f"/admin/webhooks/delivery/{sent.pk}/change/"
    for change, sentence in (
        ({"state": "pending"}, "Is a worker running?"),
        ({"state": "held"}, "Enable the webhook again"),
        ({"state": "exhausted"}, "given up by hand before its first attempt"),
        ({"state": "cancelled"}, "The webhook no longer hears this event"),
    ):
        Delivery.objects.filter(pk=sent.pk).update(**change)
        assert sentence in site.get(url).content.decode(), change
    Webhook.objects.update(deleted_at=timezone.now())
    assert "The webhook was deleted" in site.get(url).content.decode()


# --- Sources ----------------------------------------------------------------------


def test_a_source_that_is_no_maildir_is_refused_at_its_field(site, mailbox, tmp_path):
    values = {
        "mailbox": mailbox.pk,
        "kind": "maildir",
        "location": str(tmp_path),
        "start": "since",
    }
    answer = site.post("/admin/threads/source/add/", values)
    form = answer.context["adminform"].form
    assert set(form.errors) == {"location"}
    assert "is not a Maildir" in form.errors["location"][0]
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir()
    form = site.post("/admin/threads/source/add/", values).context["adminform"].form
    assert set(form.errors) == {"since"}
    assert site.post(
        "/admin/threads/source/add/", {**values, "start": "all"}
    ).status_code == (302)
    source = Source.objects.get()
    url = f"/admin/threads/source/{source.pk}/test-connection/"
    answer = site.post(url, follow=True)
    assert "Connected. 0 mails found." in answer.content.decode()
    source.location = str(tmp_path / "gone")
    source.save()
    answer = site.post(url, follow=True)
    assert "is not a Maildir" in answer.content.decode()


def test_a_folder_is_fetched_once_and_named_in_full(site, mailbox, tmp_path):
    """Two sources of it would each make a thread of every mail."""
    for name in ("cur", "new", "tmp"):
        (tmp_path / "Maildir" / name).mkdir(parents=True)
    other = Mailbox.objects.create(address="verkoop@shop.nl")
    values = {"kind": "maildir", "active": "on", "mailbox": mailbox.pk}
    url = "/admin/threads/source/add/"
    place = str(tmp_path / "Maildir")
    assert site.post(url, {**values, "location": place}).status_code == 302
    again = {**values, "mailbox": other.pk, "location": f"{place}/../Maildir/"}
    form = site.post(url, again).context["adminform"].form
    assert "support@shop.nl" in form.errors["location"][0]
    asleep = {**again, "active": ""}
    assert site.post(url, asleep).status_code == 302
    relative = site.post(url, {**values, "location": "Maildir"})
    said = relative.context["adminform"].form.errors["location"][0]
    assert "full path" in said


# --- People ------------------------------------------------------------------------


def test_a_team_member_is_named_by_the_address(site, client, settings):
    values = {
        "email": "Nieuw@Shop.NL",
        "first_name": "Nieuw",
        "language": "nl",
    }
    answer = site.post("/admin/threads/user/add/", values)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["cache-control"]
    made = User.objects.get(email="nieuw@shop.nl")
    assert made.username == "nieuw@shop.nl"
    assert made.is_staff
    assert not made.is_superuser
    again = site.post("/admin/threads/user/add/", values)
    assert list(again.context["adminform"].form.errors) == ["email"]
    link = answer.context["link"].removeprefix(settings.PUBLIC_URL)
    assert answer.content.decode().count(link) == 1
    assert link not in site.get(answer.context["page"]).content.decode()
    form = client.get(link, follow=True)
    words = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    assert client.post(form.request["PATH_INFO"], words).status_code == 302
    entered = client.post(
        "/admin/login/", {"username": "nieuw@shop.nl", "password": PASSWORD}
    )
    assert entered.status_code == 302
    used = Client().get(link, follow=True).content.decode()
    assert "This link was used already" in used
    assert "/admin/login/" in used


def test_an_administrator_who_is_no_superuser_puts_people_in_groups(client, member):
    member.groups.add(Group.objects.get(name=groups.ADMINISTRATOR))
    client.force_login(member)
    team = Group.objects.get(name=groups.TEAM_MEMBER)
    values = {"email": "nieuw@shop.nl", "language": "nl", "groups": [team.pk]}
    answer = client.post("/admin/threads/user/add/", values)
    assert "/admin/password/" in answer.context["link"]
    made = User.objects.get(email="nieuw@shop.nl")
    assert list(made.groups.all()) == [team]
    page = f"/admin/threads/user/{made.pk}/change/"
    both = [team.pk, Group.objects.get(name=groups.ADMINISTRATOR).pk]
    client.post(page, {**values, "is_active": "on", "groups": both})
    assert made.groups.count() == 2
    again = client.post(f"/admin/threads/user/{made.pk}/invite/")
    assert "/admin/password/" in again.context["link"]


@pytest.mark.parametrize("active", [True, False])
def test_nobody_manages_who_may_do_more(client, member, boss, active):
    """Nor whoever might again, once he is let in."""
    member.groups.add(Group.objects.get(name=groups.ADMINISTRATOR))
    above = User.objects.create_user("b@shop.nl", "b@shop.nl", PASSWORD, is_staff=True)
    above.user_permissions.add(Permission.objects.get(codename="delete_thread"))
    in_group = User.objects.create_user("c@shop.nl", "c@shop.nl", PASSWORD)
    auditors = Group.objects.create(name="boekhouding")
    auditors.permissions.add(Permission.objects.get(codename="view_accesslog"))
    in_group.groups.add(auditors)
    others = (above, in_group, boss)
    User.objects.filter(pk__in=[one.pk for one in others]).update(is_active=active)
    client.force_login(member)
    for other in others:
        page = f"/admin/threads/user/{other.pk}/"
        assert client.get(f"{page}password/").status_code == 403
        assert client.post(f"{page}invite/").status_code == 403
        assert client.post(f"{page}delete/", {"post": "yes"}).status_code == 403
        form = {"email": "x@y.nl", "language": "nl", "is_active": "on"}
        client.post(f"{page}change/", form)
        other.refresh_from_db()
        assert (other.email != "x@y.nl", other.is_active) == (True, active)


def test_nobody_gives_himself_more_than_he_has(client, member, boss):
    member.user_permissions.set(
        Permission.objects.filter(codename__in=["change_user", "view_user", "add_user"])
    )
    group = Group.objects.create(name="alles")
    group.permissions.add(Permission.objects.get(codename="delete_mailbox"))
    client.force_login(member)
    values = {
        "email": member.email,
        "language": "en",
        "is_active": "on",
        "is_staff": "on",
        "is_superuser": "on",
        "groups": [group.pk],
    }
    client.post(f"/admin/threads/user/{member.pk}/change/", values)
    member.refresh_from_db()
    assert not member.is_superuser
    assert not member.groups.exists()
    assert client.get(f"/admin/threads/user/{boss.pk}/password/").status_code == 403
    client.post(f"/admin/threads/user/{boss.pk}/change/", {**values, "email": "x@y.nl"})
    boss.refresh_from_db()
    assert boss.email == "baas@shop.nl"


def test_who_did_anything_is_switched_off_and_not_deleted(site, member):
    page = f"/admin/threads/user/{member.pk}/delete/"
    kind = ContentType.objects.get_for_model(Webhook)
    LogEntry.objects.create(
        user=member, content_type=kind, object_id="1", object_repr="x", action_flag=2
    )
    both = {"action": "delete_selected", "_selected_action": [member.pk], "post": "yes"}
    for path, data in ((page, {"post": "yes"}), ("/admin/threads/user/", both)):
        said = site.post(path, data, follow=True).content.decode()
        assert "Switch the account off instead." in said
        assert User.objects.filter(pk=member.pk).exists()
    LogEntry.objects.all().delete()
    assert site.post(page, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=member.pk).exists()


def test_nobody_locks_himself_out(site, boss):
    page = f"/admin/threads/user/{boss.pk}/"
    answer = site.post(f"{page}change/", {"email": boss.email, "language": "nl"})
    assert answer.status_code == 302
    boss.refresh_from_db()
    assert (boss.is_active, boss.is_staff, boss.is_superuser) == (True, True, True)
    assert boss.language == "nl"
    assert site.post(f"{page}delete/", {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [boss.pk], "post": "yes"}
    site.post("/admin/threads/user/", chosen)
    assert User.objects.filter(pk=boss.pk).exists()


def test_members_of_a_team_are_ticked(site, member):
    values = {"name": "Facturen", "members": [member.pk]}
    assert site.post("/admin/threads/team/add/", values).status_code == 302
    assert list(Team.objects.get().members.all()) == [member]


def test_the_language_follows_the_user_not_the_browser(client, member):
    client.force_login(member)
    answer = client.get("/admin/", headers={"accept-language": "nl"})
    assert answer["Content-Language"] == "en"
    assert client.get("/language").status_code == 405
    client.post("/language", {"language": "xx"})
    member.refresh_from_db()
    assert member.language == "en"


# --- Words -------------------------------------------------------------------------


def test_every_event_has_a_plain_word():
    assert set(WORDS) == {*EVENTS, TEST}
    assert FIRST_EVENTS == (
        "message.received",
        "thread.created",
        "thread.closed",
        "thread.assigned",
    )


def test_a_source_lists_what_was_left_there_and_says_what_to_do(site, mailbox):
    User.objects.update(language="en")
    source = Source.objects.create(mailbox=mailbox, location="/nowhere")
    page = f"/admin/threads/source/{source.pk}/change/"
    assert "Left where they are" not in site.get(page).content.decode()
    for number in range(25):
        IngestRecord.objects.create(
            source=source, ref=f"big-{number}", size=40_000_000, state="oversize"
        )
    IngestRecord.objects.create(
        source=source, ref="77", size=1, state="unfetchable", last_error="It vanished."
    )
    said = site.get(page).content.decode()
    assert "Mails over 25.0\xa0MB are not fetched" in said
    assert "big-24" in said
    assert "big-0<" not in said
    assert "It vanished." in said
    assert "There are more" in said


def test_what_lmtp_refused_is_listed_and_left_nowhere(site, mailbox):
    User.objects.update(language="en")
    source = Source.objects.create(mailbox=mailbox, kind="lmtp")
    IngestRecord.objects.create(
        source=source, ref="klant@x.nl 2026-11-26", size=40_000_000, state="oversize"
    )
    said = site.get(f"/admin/threads/source/{source.pk}/change/").content.decode()
    assert "Refused as too large" in said
    assert "Mails over 25.0\xa0MB are refused" in said
    assert "klant@x.nl 2026-11-26" in said
    assert "Left where they are" not in said
