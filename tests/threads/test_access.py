"""Who comes in, from where, and what he may do."""

import re
from base64 import b32decode
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.urls import NoReverseMatch, reverse
from django_otp.oath import totp

from threads.access import factor, groups
from threads.access.factor import Verdict
from threads.models import Mailbox, SecondFactor, User
from webhooks import subscriptions

PASSWORD = "geheim-wachtwoord-9"
LOGIN = "/admin/login/"


@pytest.fixture(autouse=True)
def _static_files_as_they_are(settings):
    """Without the manifest that `collectstatic` writes."""
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": plain}}


@pytest.fixture
def member(db):
    return User.objects.create_user(
        "teamlid@shop.nl", "teamlid@shop.nl", PASSWORD, is_staff=True
    )


def log_in(client, name="teamlid@shop.nl", password=PASSWORD, **meta):
    return client.post(LOGIN, {"username": name, "password": password}, **meta)


def guess(client, times, name="teamlid@shop.nl", **meta):
    """The last answer to so many wrong passwords."""
    for number in range(times):
        answer = log_in(client, name, f"wrong-{number}", **meta)
    return answer


def is_in(client):
    return client.get("/admin/").status_code == 200


# --- Headers ----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/", "/healthz", "/nowhere"])
def test_every_answer_tells_the_browser_what_it_may_do(client, db, path):
    answer = client.get(path)
    policy = answer["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self' 'unsafe-eval'"
    assert rules["frame-ancestors"] == "'none'"
    assert rules["form-action"] == "'self'"
    assert rules["base-uri"] == "'none'"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"


def test_no_staff_page_is_kept_by_a_cache(client, member):
    for path in (LOGIN, "/admin/account/", "/admin/jsi18n/"):
        assert "no-store" in client.get(path)["Cache-Control"], path
    client.force_login(member)
    for path in ("/admin/", "/admin/account/", "/admin/jsi18n/"):
        assert "no-store" in client.get(path)["Cache-Control"], path


def test_cookies_are_for_this_site_and_not_for_scripts(client, member):
    log_in(client)
    session = client.cookies["sessionid"]
    assert session["httponly"]
    assert session["samesite"] == "Lax"
    assert int(session["max-age"]) == 12 * 60 * 60


def test_a_forged_host_is_refused(client, db):
    assert client.get(LOGIN, HTTP_HOST="evil.example").status_code == 400
    answer = client.get(LOGIN, HTTP_X_FORWARDED_HOST="evil.example")
    assert answer.status_code == 200
    assert b"evil.example" not in answer.content


# --- Proxies ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded", "known"),
    [
        # A stranger writes what he likes; it is not read.
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),
        ("10.0.0.2", "203.0.113.9", "203.0.113.9"),
        # What the client itself sent stands left of what the proxy saw.
        ("10.0.0.2", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.2", "203.0.113.9, 10.0.0.3", "203.0.113.9"),
        ("::ffff:10.0.0.2", "2001:db8::9", "2001:db8::9"),
        ("10.0.0.2", "", "10.0.0.2"),
        ("10.0.0.2", "nonsense", "10.0.0.2"),
    ],
)
def test_the_client_is_who_a_listed_proxy_says_it_is(
    client, member, settings, peer, forwarded, known
):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    log_in(client, password="wrong", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)
    assert AccessAttempt.objects.get().ip_address == known


def test_https_is_believed_from_a_listed_proxy_only(client, db, settings):
    settings.TRUSTED_PROXIES = ["10.0.0.2"]
    settings.SECURE_HSTS_SECONDS = 60
    forged = {"HTTP_X_FORWARDED_PROTO": "https"}
    stranger = client.get(LOGIN, REMOTE_ADDR="198.51.100.7", **forged)
    assert "Strict-Transport-Security" not in stranger
    proxy = client.get(LOGIN, REMOTE_ADDR="10.0.0.2", **forged)
    assert proxy["Strict-Transport-Security"] == "max-age=60"


# --- Guessing ---------------------------------------------------------------------


def test_five_wrong_passwords_lock_the_name_for_a_minute(client, member):
    assert guess(client, 4).status_code == 200
    answer = guess(client, 1)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 60
    assert log_in(client).status_code == 429
    assert not is_in(client)
    later(seconds=61)
    assert log_in(client).status_code == 302
    assert is_in(client)


def test_each_further_wrong_password_doubles_the_wait(client, member):
    guess(client, 5)
    for minutes in (2, 4, 8):
        later(hours=2)
        waits = int(guess(client, 1)["Retry-After"])
        assert minutes * 60 - 5 < waits <= minutes * 60


def test_tries_while_locked_do_not_lengthen_it(client, member):
    guess(client, 5)
    assert int(guess(client, 20)["Retry-After"]) <= 60
    later(seconds=61)
    assert log_in(client).status_code == 302


def test_an_unknown_name_gets_the_very_same_answers(client, member):
    def said(name):
        answers = [guess(client, 1, name) for _ in range(6)]
        texts = [
            re.sub(r'value="[^"]*"', "", answer.content.decode()) for answer in answers
        ]
        return [answer.status_code for answer in answers], texts

    assert said("teamlid@shop.nl") == said("nobody@shop.nl")


def test_a_lock_is_for_the_address_that_guessed(client, member):
    guess(client, 5, REMOTE_ADDR="198.51.100.7")
    assert log_in(client, REMOTE_ADDR="203.0.113.9").status_code == 302


@pytest.mark.timeout(600)
def test_one_address_may_not_try_everybody(client, member):
    for number in range(50):
        guess(client, 1, f"person-{number}@shop.nl", REMOTE_ADDR="198.51.100.7")
    assert log_in(client, REMOTE_ADDR="198.51.100.7").status_code == 429
    assert log_in(client, REMOTE_ADDR="203.0.113.9").status_code == 302


def test_the_right_password_forgets_the_wrong_ones(client, member):
    guess(client, 4)
    log_in(client)
    client.logout()
    assert guess(client, 4).status_code == 200


def test_no_password_is_kept_of_a_wrong_try(client, member):
    guess(client, 2)
    kept = AccessAttempt.objects.get()
    assert "wrong-" not in kept.post_data


def later(**passed):
    """As if the attempts so far were longer ago."""
    attempts = AccessAttempt.objects.all()
    attempts.update(attempt_time=F("attempt_time") - timedelta(**passed))


# --- Sessions ---------------------------------------------------------------------


def test_a_session_gets_a_new_key_at_login(client, member):
    client.get(LOGIN)
    session = client.session
    session["before"] = True
    session.save()
    before = session.session_key
    client.cookies["sessionid"] = before
    log_in(client)
    assert client.cookies["sessionid"].value != before
    assert not Session.objects.filter(pk=before).exists()


def test_a_new_password_ends_all_sessions(client, member):
    log_in(client)
    member.set_password("een-ander-wachtwoord-3")
    member.save()
    assert not is_in(client)


def test_who_is_deactivated_is_out_at_once(client, member):
    log_in(client)
    User.objects.update(is_active=False)
    assert not is_in(client)
    assert log_in(client).status_code == 200
    assert not is_in(client)


def test_the_address_may_be_typed_in_capitals(client, member):
    assert log_in(client, " Teamlid@Shop.NL ").status_code == 302


@pytest.mark.parametrize("there", ["https://evil.example/", "//evil.example"])
def test_the_login_leads_to_no_other_site(client, member, there):
    answer = client.post(
        f"{LOGIN}?next={there}",
        {"username": member.email, "password": PASSWORD, "next": there},
    )
    assert answer["Location"] == "/admin/"


# --- The second factor ------------------------------------------------------------


def test_a_second_factor_is_asked_for_and_lets_in(client, member):
    key = enrol(member)
    answer = log_in(client)
    assert answer["Location"].startswith("/admin/login/code/")
    assert not is_in(client)
    assert client.post("/admin/login/code/", {"code": "000000"}).status_code == 200
    assert not is_in(client)
    forget_failures()
    answer = client.post("/admin/login/code/?next=/admin/account/", {"code": now(key)})
    assert answer["Location"] == "/admin/account/"
    assert is_in(client)


def test_without_the_password_there_is_no_code_to_give(client, member):
    enrol(member)
    answer = client.get("/admin/login/code/")
    assert answer["Location"] == LOGIN


def test_a_password_changed_meanwhile_begins_again(client, member):
    key = enrol(member)
    log_in(client)
    member.set_password("een-ander-wachtwoord-3")
    member.save()
    answer = client.post("/admin/login/code/", {"code": now(key)})
    assert answer["Location"] == LOGIN
    assert not is_in(client)


def test_a_code_counts_once(member):
    key = enrol(member)
    assert factor.verify(member, now(key)) is Verdict.RIGHT
    assert factor.verify(member, now(key)) is Verdict.WRONG


def test_whoever_guesses_codes_waits(member):
    key = enrol(member)
    assert factor.verify(member, "111111") is Verdict.WRONG
    assert factor.verify(member, now(key)) is Verdict.TOO_SOON
    forget_failures()
    assert factor.verify(member, now(key)) is Verdict.RIGHT


def test_a_recovery_code_counts_once(member):
    factor.begin(member)
    row = SecondFactor.objects.get()
    codes = factor.confirm(member, now(row.key))[1]
    assert len(set(codes)) == 10
    assert factor.verify(member, codes[3].upper()) is Verdict.RIGHT
    assert factor.verify(member, codes[3]) is Verdict.WRONG
    assert len(SecondFactor.objects.get().recovery) == 9


@pytest.mark.parametrize("code", ["", "١٢٣٤٥٦", "-1", "1e5", "0" * 32, "x\x00"])
def test_an_odd_code_is_only_wrong(member, code):
    enrol(member)
    assert factor.verify(member, code) is Verdict.WRONG


def test_the_key_is_not_in_clear_in_the_database(member):
    key = enrol(member)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM threads_secondfactor")
        stored = repr(cursor.fetchall())
    assert key not in stored


def test_what_was_begun_and_not_confirmed_is_not_asked_for(client, member):
    factor.begin(member)
    log_in(client)
    assert is_in(client)


def test_it_is_turned_off_with_a_code_only(client, member):
    key = enrol(member)
    client.force_login(member)
    client.post("/admin/account/remove/", {"code": "123456"})
    assert factor.enrolled(member)
    forget_failures()
    client.post("/admin/account/remove/", {"code": now(key)})
    assert not factor.enrolled(member)


@pytest.mark.parametrize("action", ["begin", "confirm", "remove"])
def test_no_link_changes_the_second_factor(client, member, action):
    client.force_login(member)
    answer = client.get(f"/admin/account/{action}/")
    assert answer.headers["location"] == "/admin/account/"
    assert not SecondFactor.objects.exists()


def test_a_superuser_takes_somebodys_factor_away(client, member, admin_user):
    enrol(member)
    row = SecondFactor.objects.get()
    page = reverse("admin:threads_secondfactor_delete", args=[row.pk])
    client.force_login(member)
    assert client.post(page, {"post": "yes"}).status_code == 403
    client.force_login(admin_user)
    client.post(page, {"post": "yes"})
    assert not factor.enrolled(member)


def enrol(member):
    row = factor.begin(member)
    assert factor.confirm(member, now(row.key))[0] is Verdict.RIGHT
    SecondFactor.objects.update(last_step=-1)
    return row.key


def now(key):
    return f"{totp(b32decode(key)):06}"


def forget_failures():
    SecondFactor.objects.update(failures=0, failed_at=None)


# --- Groups -----------------------------------------------------------------------


@pytest.fixture
def webhook(db):
    return subscriptions.create(
        {"url": "https://hooks.shop.nl/", "events": ["message.received"]}
    )[0]


def joined(member, name):
    member.groups.add(Group.objects.get(name=name))
    return User.objects.get(pk=member.pk)


def test_a_team_member_works_on_threads_and_sees_no_webhook(client, member, webhook):
    client.force_login(joined(member, groups.TEAM_MEMBER))
    for page in ("threads_thread", "threads_customer", "webhooks_delivery"):
        assert client.get(reverse(f"admin:{page}_changelist")).status_code == 200, page
    change = reverse("admin:webhooks_webhook_change", args=[webhook.pk])
    assert client.get(change).status_code == 403
    for page in (
        "webhooks_webhook",
        "api_apikey",
        "threads_user",
        "threads_source",
        "axes_accesslog",
        "threads_secondfactor",
        "django_q_schedule",
    ):
        assert client.get(reverse(f"admin:{page}_changelist")).status_code == 403, page


def test_an_administrator_runs_everything_but_the_queue(client, member, webhook):
    client.force_login(joined(member, groups.ADMINISTRATOR))
    for page in (
        "webhooks_webhook",
        "api_apikey",
        "threads_user",
        "threads_source",
        "threads_mailbox",
        "threads_ingestrecord",
        "threads_team",
        "threads_tag",
    ):
        assert client.get(reverse(f"admin:{page}_changelist")).status_code == 200, page
    change = reverse("admin:webhooks_webhook_change", args=[webhook.pk])
    assert client.get(change).status_code == 200
    for page in ("django_q_schedule", "django_q_ormq", "auth_group", "axes_accesslog"):
        assert client.get(reverse(f"admin:{page}_changelist")).status_code == 403, page


def test_whoever_is_in_no_group_sees_an_empty_house(client, member):
    client.force_login(member)
    assert client.get("/admin/").status_code == 200
    for model in admin.site._registry:
        try:
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
            page = reverse(name)
        except NoReverseMatch:
            continue
        assert client.get(page, follow=True).status_code == 403, page


def test_setup_gives_the_groups_what_they_lack_and_takes_nothing(db, capsys):
    group = Group.objects.get(name=groups.TEAM_MEMBER)
    group.permissions.clear()
    extra = Permission.objects.get(codename="delete_tag")
    group.permissions.add(extra)
    call_command("setup")
    names = set(group.permissions.values_list("codename", flat=True))
    assert {"view_thread", "change_thread", "delete_tag"} <= names
    assert "view_webhook" not in names


def test_the_names_of_permissions_are_what_django_makes_them(db):
    """A group made before its models' permissions must not leave a second set."""
    named = {
        (label, model.lower())
        for rights in groups.GROUPS.values()
        for label, model in rights
    }
    for label, model in named:
        found = Permission.objects.filter(
            content_type__app_label=label, content_type__model=model
        ).values_list("codename", flat=True)
        assert len(found) == len(set(found))


def test_everybody_sees_trouble_but_only_some_its_settings(client, member, webhook):
    Mailbox.objects.create(address="support@shop.nl")
    type(webhook).objects.update(failing_since=F("created_at"))
    client.force_login(joined(member, groups.TEAM_MEMBER))
    page = client.get("/admin/").content.decode()
    assert "hooks.shop.nl" in page
    assert reverse("admin:webhooks_webhook_change", args=[webhook.pk]) not in page
    client.force_login(joined(member, groups.ADMINISTRATOR))
    page = client.get("/admin/").content.decode()
    assert reverse("admin:webhooks_webhook_change", args=[webhook.pk]) in page
