"""The first page: empty, calm, and with work on it."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from playwright.sync_api import expect

from tests.threads.staffing import busy_office, working_office
from threads.dashboard import page as dashboard
from threads.models import Mailbox, Source
from webhooks.models import Heartbeat, Webhook


@pytest.fixture
def rf_as(rf, staff):
    request = rf.get("/admin/")
    request.user = staff
    return request


@pytest.mark.parametrize("width", [1280, 380])
def test_an_empty_installation_says_what_to_do_first(open_site, width):
    page = open_site("nl", width=width)
    page.goto("/admin/")
    expect(page.locator(".board-step")).to_have_count(3)
    expect(page.locator("#attention")).to_have_count(0)
    _no_sideways_scrolling(page)
    page.locator(".board-step a").first.click()
    page.wait_for_url("**/admin/threads/mailbox/add/")


def test_a_step_that_is_done_is_ticked_off(open_site):
    Mailbox.objects.create(address="support@shop.nl")
    page = open_site("nl")
    page.goto("/admin/")
    expect(page.locator(".board-step-done")).to_have_count(1)
    expect(page.locator(".board-step a")).to_have_count(2)
    expect(page.locator("#attention")).not_to_contain_text("Mail wordt opgehaald")
    page.locator(".board-step a").first.click()
    page.wait_for_url("**/admin/threads/source/add/")


def test_when_all_is_well_it_says_so_calmly(open_site):
    working_office()
    page = open_site("en")
    page.goto("/admin/")
    expect(page.locator("#attention")).to_contain_text("Nothing needs you now")
    expect(page.locator("#steps")).to_have_count(0)


@pytest.mark.parametrize("width", [1280, 380])
def test_what_needs_a_person_is_listed_and_leads_to_its_mend(open_site, staff, width):
    busy_office(staff)
    page = open_site("en", width=width)
    page.goto("/admin/")
    attention = page.locator("#attention")
    for sentence in (
        "No worker has been seen for 9",
        "Mail of support@shop.nl has not been fetched for 14",
        "Is the folder gone?",
        "Webhook hooks.shop.nl has been failing for 3",
        "1 waits, 2 held, 1 given up",
        "A reply could not be sent: Retour bestelling",
        "Whether a reply was sent is in doubt: Offerte kozijnen",
        "2 mails could not be understood",
        "What is due has waited for 20",
        "open threads are nobody's",
        "open thread is yours",
    ):
        expect(attention).to_contain_text(sentence)
    _no_sideways_scrolling(page)
    links = [link.get_attribute("href") for link in page.locator("a.board-item").all()]
    assert len(links) == page.locator(".board-item").count()
    for link in links:
        assert page.goto(link).status == 200
        assert "e=1" not in page.url


def test_the_pictures_count_the_mail_and_the_attempts_of_each_day(open_site, staff):
    busy_office(staff)
    page = open_site("en")
    page.goto("/admin/")
    pictures = page.locator(".board-chart")
    expect(pictures).to_have_count(3)
    mail = pictures.nth(0)
    expect(mail.locator("g")).to_have_count(30)
    today = mail.locator("g title").last
    expect(today).to_have_text(re.compile("received 7, sent 1$"))
    attempts = pictures.nth(1)
    expect(attempts.locator("g")).to_have_count(14)
    today = attempts.locator("g title").last
    expect(today).to_have_text(re.compile("succeeded 5, failed 1$"))
    today = pictures.nth(2).locator("g title").last
    expect(today).to_have_text(re.compile(r"half within 80 ms, 95% within 1\.1 s$"))


def test_a_mail_of_half_past_midnight_belongs_to_the_new_day(db, staff, rf_as):
    """In Amsterdam, where the night is still UTC's evening before."""
    midnight = timezone.localtime().replace(hour=0, minute=30, second=0)
    busy_office(staff, now=midnight)
    columns = dashboard.fill(rf_as, {})["charts"][0].columns
    assert columns[-1].says.endswith("received 7, sent 1")


def test_it_takes_at_most_twelve_statements(db, staff, rf_as):
    busy_office(staff)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        dashboard.fill(rf_as, {})
    assert len(asked) <= 12


def test_a_worker_that_lives_and_a_source_that_is_off_are_no_news(db, staff, rf_as):
    working_office()
    Source.objects.update(active=False, last_pass_at=None, last_error="gone")
    Heartbeat.objects.update(at=Now() - timedelta(seconds=90))
    assert dashboard.fill(rf_as, {})["items"] == []


def _no_sideways_scrolling(page):
    wide = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert wide <= 0


@pytest.mark.parametrize("width", [1280, 380])
def test_the_numbers_of_delivery_come_after_the_page(open_site, staff, width):
    busy_office(staff)
    page = open_site("en", width=width)
    page.goto("/admin/")
    card = page.locator("#delivery")
    expect(card.locator("dt", has_text="last drain")).to_be_visible()
    _no_sideways_scrolling(page)


@pytest.mark.parametrize("width", [1280, 380])
def test_a_webhook_that_has_been_failing_is_named_on_every_page(
    open_site, staff, width
):
    busy_office(staff)
    since = Now() - timedelta(hours=3)
    Webhook.objects.filter(pk=Webhook.objects.first().pk).update(failing_since=since)
    page = open_site("nl", width=width)
    page.goto("/admin/threads/thread/")
    banner = page.locator("#webhook-banner")
    expect(banner).to_be_visible()
    _no_sideways_scrolling(page)
    banner.click()
    page.wait_for_url("**/admin/webhooks/webhook/**")
