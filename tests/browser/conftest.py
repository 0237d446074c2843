"""The staff site in a real Chromium, which may speak to nobody but us."""

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from threads.models import User

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
# Playwright runs an event loop in the test's own thread.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")


@pytest.fixture(scope="session", autouse=True)
def chromium():
    if not Path(CHROMIUM).exists():
        text = "Chromium is missing: apt-get install -y chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(text)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    quiet = (
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        # Containers give /dev/shm too little for a page with much on it.
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    )
    return {
        **browser_type_launch_args,
        "executable_path": CHROMIUM,
        "args": list(quiet),
    }


@pytest.fixture
def staff(transactional_db):
    """Somebody who may do everything."""
    return User.objects.create_superuser(
        "teamlid", "teamlid@shop.nl", "geheim-wachtwoord-9", first_name="Teamlid"
    )


@pytest.fixture
def open_site(browser, live_server, settings, staff, client):
    """Makes pages, logged in: `open_site(language="nl")`. Fails on outside requests."""
    settings.ALLOWED_HOSTS = ["*"]
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": plain}}
    client.force_login(staff)
    cookie = {
        "name": settings.SESSION_COOKIE_NAME,
        "value": client.cookies[settings.SESSION_COOKIE_NAME].value,
        "url": live_server.url,
    }
    ours = urlsplit(live_server.url).netloc
    contexts, strangers, errors = [], [], []

    def watched(request):
        where = urlsplit(request.url)
        if where.scheme in {"http", "https", "ws", "wss"} and where.netloc != ours:
            strangers.append(request.url)

    def make(language="nl", width=1280, **context):
        staff.language = language
        staff.save()
        made = browser.new_context(
            base_url=live_server.url,
            locale={"nl": "nl-NL", "en": "en-GB"}[language],
            viewport={"width": width, "height": 900},
            **context,
        )
        made.add_cookies([cookie])
        made.on("request", watched)
        contexts.append(made)
        page = made.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert strangers == []
    assert errors == []
