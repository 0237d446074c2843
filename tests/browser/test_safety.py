"""The staff site against those who write to it, and its doors in a real browser."""

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
    Customer,
    IngestRecord,
    Limits,
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
from webhooks.models import Attempt, Delivery, Retention, Webhook

PASSWORD = "geheim-wachtwoord-9"
_QUERY = "?q=%22%3E%3Cscript%3Ewindow.__xss=1%3C/script%3E"
# The first half alone fits where fifty characters may stand.
SHAPE = f'"><img src=x onerror={hostile.RUN}><div x-data x-init={hostile.RUN}></div>'


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
    outbox.test(hook, "message.received")
    call_command("ingest", verbosity=0)
    assert Message.objects.count() == len(sent)
    Source.objects.update(last_error=SHAPE, last_pass_at=timezone.now())
    now = timezone.now()
    delivery = Delivery.objects.latest("pk")
    Attempt.objects.create(
        delivery=delivery, number=1, started_at=now, duration_ms=5, status=500,
        error="status", error_detail=SHAPE[:500], response_excerpt=SHAPE,
        peer_public=True,
    )  # fmt: skip
    type(hook).objects.update(
        failing_since=now, state_reason=SHAPE, url=f"https://hooks.shop.nl/?{SHAPE}"
    )
    hook.refresh_from_db()
    Delivery.objects.filter(pk=delivery.pk).update(state="exhausted")
    IngestRecord.objects.create(
        source=Source.objects.get(), ref=SHAPE, size=1, state="quarantined",
        original=Original.objects.create(sha256="q", size=1, content=SHAPE.encode()),
        last_error=SHAPE,
    )  # fmt: skip
    Message.objects.filter(pk=Message.objects.last().pk).update(
        direction="outbound", status="failed", error_detail=SHAPE
    )
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
    """Every list, every form, the newest row of every page there is, each thread."""
    yield from ("/admin/", "/admin/account/", reverse("system"))
    for model, made in admin.site._registry.items():
        if model is Message:
            continue  # It has no page of its own: it is read in its thread.
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        if model in {Limits, Retention}:
            yield reverse(f"{name}_add")  # One number, and its form: no list.
            continue
        yield reverse(f"{name}_changelist")
        if hasattr(made, "add_label"):
            yield reverse(f"{name}_add")
        if row := model.objects.order_by("-pk").first():
            named = model in {Thread, IngestRecord}
            key = row.public_id if named else row.pk
            yield reverse(f"{name}_change", args=[key])
    for name in ("threads_thread", "threads_customer", "webhooks_delivery"):
        yield reverse(f"admin:{name}_changelist") + _QUERY
    yield reverse("admin:webhooks_webhook_history", args=[Webhook.objects.get().pk])
    for thread in Thread.objects.order_by("pk"):
        yield reverse("admin:threads_thread_change", args=[thread.public_id])
        yield reverse("admin:threads_thread_merge", args=[thread.public_id])
    for customer in Customer.objects.all():
        yield reverse("admin:threads_customer_change", args=[customer.pk])


# Whatever hides: folded letters, and frames that wait until somebody scrolls.
_UNFOLD = """() => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    for (const frame of document.querySelectorAll("iframe")) frame.loading = "eager";
}"""
# What a script of the page does in its own time, it has done by then.
_SETTLED = """() => new Promise(done =>
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))"""


@pytest.mark.timeout(240)
def test_hostile_mail_runs_nothing_on_any_page(open_site, attacked):
    """With the browser's policy switched off: nothing but our escaping stops it.

    No script has run, no dialog opened, no request left (`open_site` sees to that).
    """
    page = open_site("nl", bypass_csp=True)
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    # Nobody reads these pages.
    wire.send("Network.setBlockedURLs", {"urls": ["*.woff2"]})
    paths = list(dict.fromkeys(_pages()))
    for path in paths:
        answer = page.goto(path, wait_until="load")
        assert (answer.status, answer.request.redirected_from) == (200, None), path
        assert "default-src 'none'" in answer.headers["content-security-policy"], path
        page.evaluate(_UNFOLD)
        page.evaluate(_SETTLED)
        for frame in page.frames:
            assert frame.evaluate("window.__xss") is None, path
    assert dialogs == []
    assert len(paths) > 50


def test_html_of_mail_runs_nothing_outside_its_frame_either(open_site, attacked):
    """What the sanitiser leaves, put into a page without policy, frame or sandbox."""
    page = open_site("nl", bypass_csp=True)
    page.goto("/admin/account/")
    for message in Message.objects.order_by("pk"):
        url = reverse("admin:threads_message_html", args=[message.public_id])
        left = page.request.get(url).text()
        page.set_content(left, wait_until="load")
        page.evaluate(_SETTLED)
        assert page.evaluate("window.__xss") is None, left
        page.evaluate("html => document.body.innerHTML = html", left)
        page.evaluate(_SETTLED)
        assert page.evaluate("window.__xss") is None, left


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
