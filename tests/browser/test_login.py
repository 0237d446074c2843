"""Whoever opens the site."""


def test_the_site_speaks_the_language_of_the_browser(open_site):
    page = open_site("nl")
    page.goto("/admin/")
    assert page.locator("html").get_attribute("lang") == "nl"
    page = open_site("en")
    page.goto("/admin/")
    assert page.locator("html").get_attribute("lang") == "en"
