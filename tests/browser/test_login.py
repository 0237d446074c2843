"""Whoever opens the site."""

import pytest
from playwright.sync_api import expect

from tests.desk import QUESTION, Desk, letter
from threads import people
from threads.models import User

WORDS = "Beste klant, dit schreef ik net."


def test_the_site_speaks_the_language_of_the_browser(open_site):
    page = open_site("nl")
    page.goto("/admin/")
    expect(page.locator("html")).to_have_attribute("lang", "nl")
    page = open_site("en")
    page.goto("/admin/")
    expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.parametrize("width", [1280, 380])
def test_who_was_sent_a_link_sets_a_password_and_logs_in(open_site, settings, width):
    page = open_site("nl", width=width)
    page.context.clear_cookies()
    member = User.objects.create_user(
        "nieuw@shop.nl", "nieuw@shop.nl", is_staff=True, language="nl"
    )
    link = people.password_link(member).removeprefix(settings.PUBLIC_URL)
    page.goto(link)
    expect(page.get_by_text("nieuw@shop.nl")).to_be_visible()
    field = page.get_by_label("Nieuw wachtwoord", exact=False).first
    assert field.evaluate("it => getComputedStyle(it).borderTopWidth") == "1px"
    field.fill("kort")
    page.get_by_label("Nieuw wachtwoord bevestigen").fill("kort")
    page.get_by_role("button", name="Wachtwoord opslaan").click()
    expect(page.get_by_text("Gebruik minstens 8 tekens").first).to_be_visible()
    field.fill("geheim-wachtwoord-9")
    page.get_by_label("Nieuw wachtwoord bevestigen").fill("geheim-wachtwoord-9")
    page.get_by_role("button", name="Wachtwoord opslaan").click()
    expect(page.get_by_text("Je wachtwoord is ingesteld.")).to_be_visible()
    page.get_by_label("Gebruikersnaam").fill("nieuw@shop.nl")
    page.get_by_label("Wachtwoord").fill("geheim-wachtwoord-9")
    page.get_by_role("button", name="Inloggen").click()
    expect(page).to_have_url("/admin/")


@pytest.fixture
def writing(open_site):
    """A page on which somebody has typed a reply."""
    thread = Desk().arrive(letter(QUESTION)).thread
    page = open_site("nl")
    page.goto(f"/admin/threads/thread/{thread.public_id}/change/")
    page.get_by_label("Je antwoord").fill(WORDS)
    return page


def log_in(page):
    page.get_by_label("Gebruikersnaam").fill("teamlid")
    page.get_by_label("Wachtwoord").fill("geheim-wachtwoord-9")
    page.get_by_role("button", name="Inloggen").click()


def test_who_must_log_in_first_finds_the_thread_with_what_he_wrote(writing):
    writing.context.clear_cookies(name="sessionid")
    writing.get_by_role("button", name="Antwoord versturen").click()
    log_in(writing)
    expect(writing.get_by_label("Je antwoord")).to_have_value(WORDS)


def test_a_page_from_before_a_login_says_so_and_leads_back(writing):
    other = writing.context.new_page()
    other.goto("/admin/")
    writing.context.clear_cookies()
    other.goto("/admin/login/")
    log_in(other)
    expect(other).to_have_url("/admin/")
    writing.get_by_role("button", name="Antwoord versturen").click()
    expect(writing.get_by_text("Deze pagina was te oud")).to_be_visible()
    writing.get_by_role("link", name="Terug naar de pagina").click()
    expect(writing.get_by_label("Je antwoord")).to_have_value(WORDS)
