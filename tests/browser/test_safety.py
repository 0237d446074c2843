"""The staff site against those who write to it, and its doors in a real browser."""

import os
from base64 import b32decode

import pytest
import time_machine
from axes.models import AccessAttempt, AccessLog
from django.contrib import admin
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import totp
from django_q.models import Failure, OrmQ, Schedule, Success
from playwright.sync_api import expect

from api.models import ApiKey
from tests.browser import hostile
from tests.mails import Maildir
from threads.models import (
    Alias,
    IngestRecord,
    Mailbox,
    Message,
    Original,
    SecondFactor,
    Source,
    Tag,
    Team,
    Thread,
    User,
)
from webhooks import outbox, subscriptions
from webhooks.models import Attempt, Delivery

PASSWORD = "geheim-wachtwoord-9"
_QUERY = "?q=%22%3E%3Cscript%3Ewindow.__xss=1%3C/script%3E"
SHAPE = f'"><img src=x onerror="{hostile.RUN}"><div x-data x-init="{hostile.RUN}">'


@pytest.fixture
def watched_site(open_site):
    """As `open_site`; its `refused` collects what the browser's policy has stopped."""

    def make(language="nl", **kwargs):
        page = open_site(language, **kwargs)
        page.refused = []
        page.on("console", lambda said: _note(page.refused, said))
        page.add_init_script(
            "addEventListener('securitypolicyviolation',"
            " e => console.error('violation: ' + e.violatedDirective + ' ' +"
            " e.blockedURI + ' ' + e.sourceFile + ':' + e.lineNumber))"
        )
        return page

    return make


def _note(refused, said):
    if said.type == "error":
        refused.append(said.text)


@pytest.fixture
def attacked(transactional_db, staff, tmp_path):
    """Hostile mail taken in by the front door, and hostile words in all other rows."""
    maildir = Maildir(tmp_path / "Maildir")
    sent = list(hostile.mails())
    for number, content in enumerate(sent):
        maildir.deliver(content, name=f"17000{number:05}.M1P1.host")
    mailbox = Mailbox.objects.create(address="support@shop.nl", name=SHAPE[:100])
    Alias.objects.create(mailbox=mailbox, address="verkoop@shop.nl")
    Source.objects.create(mailbox=mailbox, kind="maildir", location=str(maildir.path))
    hook = subscriptions.create(
        {"url": "https://hooks.shop.nl/", "events": ["message.received"]}
    )[0]
    call_command("ingest", verbosity=0)
    assert Message.objects.count() == len(sent)
    Source.objects.update(last_error=SHAPE, last_pass_at=timezone.now())
    now = timezone.now()
    delivery = Delivery.objects.first()
    Attempt.objects.create(
        delivery=delivery, number=1, started_at=now, duration_ms=5, status=500,
        error="status", error_detail=SHAPE[:500], response_excerpt=SHAPE,
    )  # fmt: skip
    hook.failing_since = now
    hook.save()
    Delivery.objects.filter(pk=delivery.pk).update(state="exhausted")
    IngestRecord.objects.create(
        source=Source.objects.get(), ref=SHAPE, size=1, state="quarantined",
        original=Original.objects.create(sha256="q", size=1, content=SHAPE.encode()),
        last_error=SHAPE,
    )  # fmt: skip
    Message.objects.filter(pk=Message.objects.last().pk).update(
        direction="outbound", status="failed", error_detail=SHAPE
    )
    outbox.test(hook, "message.received")
    Tag.objects.create(name=SHAPE[:50])
    Team.objects.create(name=SHAPE[:100])
    ApiKey.objects.issue(SHAPE[:100])
    User.objects.create_user(
        "collega@shop.nl", "collega@shop.nl", PASSWORD, first_name=SHAPE[:150]
    )
    AccessAttempt.objects.create(
        username=SHAPE, ip_address="198.51.100.7", user_agent=SHAPE, path_info=SHAPE,
        attempt_time=now, get_data=SHAPE, post_data=SHAPE, failures_since_start=3,
        http_accept=SHAPE,
    )  # fmt: skip
    AccessLog.objects.create(
        username=SHAPE, ip_address="198.51.100.7", user_agent=SHAPE, path_info=SHAPE
    )
    SecondFactor.objects.create(user=User.objects.last(), confirmed=True)
    Schedule.objects.create(func="webhooks.tasks.x", name=SHAPE[:100])
    for kind, ok in ((Success, True), (Failure, False)):
        kind.objects.create(
            id=f"{ok}", name=SHAPE[:100], func="webhooks.tasks.x", started=now,
            stopped=now, success=ok, result=SHAPE, cluster="mailbelly",
        )  # fmt: skip
    OrmQ.objects.create(key=SHAPE[:100], payload="x", lock=now)


def _pages():
    """Every list, every new form, and the newest row of every page there is."""
    yield from ("/admin/", "/admin/account/", reverse("system"))
    for model in sorted(admin.site._registry, key=lambda model: model._meta.label):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        yield reverse(f"{name}_changelist") + _QUERY
        for row in model.objects.order_by("-pk")[:2]:
            key = getattr(row, "public_id", row.pk)
            yield reverse(f"{name}_change", args=[key])
            yield reverse(f"{name}_history", args=[key])


@pytest.mark.skipif(
    not os.environ.get("HOSTILE_PAGES"),
    reason="takes over ten minutes on two cores: HOSTILE_PAGES=1 runs it",
)
@pytest.mark.timeout(3600)
def test_hostile_mail_runs_nothing_on_any_page(watched_site, attacked):
    """No script, no request to a stranger, not even one that the policy stops."""
    page = watched_site("nl")
    seen = 0
    for path in [*_pages(), *_threads()]:
        answer = page.goto(path, wait_until="load")
        assert answer.status == 200, path
        page.wait_for_timeout(100)
        for frame in page.frames:
            assert frame.evaluate("window.__xss") is None, path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy, path
        assert page.refused == [], path
        seen += 1
    assert seen > 60


def _threads():
    """All of them: each holds another shape."""
    for thread in Thread.objects.order_by("pk"):
        yield reverse("admin:threads_thread_change", args=[thread.public_id])


def test_the_policy_stops_what_the_page_would_let_through(watched_site, attacked):
    """The second wall, tried by itself: markup put into a page by force."""
    page = watched_site("nl")
    page.goto("/admin/account/")
    for markup in (
        "<img src=x onerror='window.__xss=1'>",
        "<iframe src='https://evil.example/'></iframe>",
        "<form action='https://evil.example/'><button id=go>x</button></form>",
    ):
        page.evaluate(
            "html => document.body.insertAdjacentHTML('beforeend', html)", markup
        )
    page.locator("#go").evaluate("button => button.click()")
    page.evaluate(
        "text => { const script = document.createElement('script');"
        " script.text = text; document.body.append(script); }",
        "window.__xss = 1",
    )
    for rule in ("script-src-elem", "script-src-attr", "frame-src", "form-action"):
        assert _is_told(page, rule), rule
    assert page.evaluate("window.__xss") is None


def _is_told(page, rule, tries=100):
    """The console speaks a moment after the deed."""
    while not (told := rule in " ".join(page.refused)) and tries:
        page.wait_for_timeout(50)
        tries -= 1
    return told


def test_the_page_of_the_api_works_under_the_policy(watched_site):
    page = watched_site("en")
    page.goto("/api/docs")
    page.locator(".swagger-ui").first.wait_for()
    assert [text for text in page.refused if "violat" in text] == []


def test_who_turns_on_a_second_factor_is_asked_for_it(watched_site, staff, clock):
    page = watched_site("en")
    page.goto("/admin/account/")
    page.get_by_role("button", name="Turn on").click()
    expect(page.locator("svg.segno")).to_have_count(1)
    key = page.locator("#factor-key").inner_text()
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("#content")).to_contain_text("This code is not right")
    page.get_by_label("Code").fill(_next_code(clock, key))
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    codes = page.locator("#recovery-codes li").all_inner_texts()
    page.goto("/admin/account/")
    expect(page.get_by_role("button", name="Turn off")).to_be_visible()
    assert codes[0] not in page.content()
    page.context.clear_cookies()
    page.goto("/admin/threads/thread/")
    _give_password(page, staff)
    page.wait_for_url("**/admin/login/code/**")
    page.get_by_label("Code").fill("999999")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#page")).to_contain_text("This code is not right")
    page.get_by_label("Code").fill(_next_code(clock, key))
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/threads/thread/")
    page.context.clear_cookies()
    page.goto("/admin/")
    _give_password(page, staff)
    page.get_by_label("Code").fill(codes[0])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")
    assert page.refused == []


@pytest.fixture
def clock():
    """Stands still: no code grows old between the reading and the pressing."""
    with time_machine.travel(timezone.now(), tick=False) as standing:
        yield standing


def _next_code(clock, key):
    """One whose time step no code was used in, after the pause for a wrong one."""
    clock.shift(60)
    return f"{totp(b32decode(key)):06}"


def test_whoever_guesses_is_told_when_to_come_back(watched_site, staff):
    page = watched_site("en")
    page.context.clear_cookies()
    page.goto("/admin/")
    for _ in range(4):
        _give_password(page, staff, "wrong")
        expect(page.locator("[name=password]")).to_have_value("")
        expect(page.locator("#page")).to_contain_text("correct")
    _give_password(page, staff, "wrong")
    expect(page.locator("#page")).to_contain_text("Too many wrong attempts")
    expect(page.locator("#page")).to_contain_text("Try again in 1 minute.")
    page.get_by_role("link", name="Back to the login page").click()
    _give_password(page, staff)
    expect(page.locator("#page")).to_contain_text("Try again in 1 minute.")


def _give_password(page, staff, password=PASSWORD):
    page.locator("[name=username]").fill(staff.username)
    page.locator("[name=password]").fill(password)
    page.get_by_role("button", name="Log in").click()
