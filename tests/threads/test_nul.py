"""A NUL, which PostgreSQL refuses in every text, is a wrong request and no trouble."""

import pytest
from django.conf import settings as configured
from django.urls import reverse

from tests.desk import QUESTION, Desk, letter
from webhooks import subscriptions

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def plain_files(settings):
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": plain}}
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def thread(db):
    return Desk().arrive(letter(QUESTION)).thread


@pytest.mark.parametrize(
    "path",
    [
        "/admin/threads/message/%00/html/",
        "/admin/threads/message/attachment/%00/",
        "/admin/threads/ingestrecord/%00/original/",
        "/admin/threads/ingestrecord/%00/change/",
        "/admin/webhooks/webhook/WEBHOOK/change/?tested=%00",
        "/admin/threads/thread/?status__exact=%00",
        "/admin/threads/thread/THREAD/merge/?q=%00",
        "/admin/autocomplete/?app_label=threads&model_name=message&term=%00",
        "/admin/?%00=1",
    ],
)
def test_no_page_is_looked_up_by_a_nul(client, admin_user, thread, path):
    webhook, _ = subscriptions.create(
        {"url": "http://127.0.0.1:9999/", "events": ["message.received"]}
    )
    client.force_login(admin_user)
    named = path.replace("WEBHOOK", str(webhook.pk))
    named = named.replace("THREAD", thread.public_id)
    assert client.get(named.replace("%00", "x")).status_code < 500
    assert client.get(named).status_code == 400


@pytest.mark.parametrize("field", ["once", "body", "to"])
def test_no_form_holds_a_nul(client, admin_user, thread, settings, field):
    settings.EMAIL_HOST = "127.0.0.1"
    client.force_login(admin_user)
    url = reverse("admin:threads_thread_do", args=[thread.public_id, "reply"])
    answer = client.post(url, {"body": "x", field: "a\x00@b.nl"})
    assert answer.status_code == 400
    assert thread.messages.count() == 1


def test_no_cookie_holds_a_nul(client, db):
    client.cookies[configured.SESSION_COOKIE_NAME] = "x" * 32 + "\x00"
    assert client.get("/admin/").status_code == 400


def test_the_api_says_it_in_its_own_words(client, db):
    answer = client.get("/api/v1/threads/%00")
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
