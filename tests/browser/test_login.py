"""Whoever opens the site."""

from playwright.sync_api import expect


def test_the_site_speaks_the_language_of_the_browser(open_site):
    page = open_site("nl")
    page.goto("/admin/")
    expect(page.locator("html")).to_have_attribute("lang", "nl")
    page = open_site("en")
    page.goto("/admin/")
    expect(page.locator("html")).to_have_attribute("lang", "en")
