"""What the staff set up: webhooks, keys, mailboxes, the quarantine, people."""

import json
import re
from urllib.parse import urlsplit

import pytest
from django.contrib.admin.models import LogEntry
from playwright.sync_api import expect

from api.models import ApiKey
from tests.mails import Maildir, mail
from tests.receivers import receiving
from threads import quarantine
from threads.models import IngestRecord, Mailbox, Message, Original, Source, User
from webhooks import subscriptions
from webhooks.models import Delivery, Secret, Webhook


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def mailbox(transactional_db):
    return Mailbox.objects.create(address="support@shop.nl", name="Support")


@pytest.fixture
def receiver():
    with receiving((200, {}, b"dank je")) as running:
        yield running


def copied(page):
    return page.evaluate("navigator.clipboard.readText()")


def may_copy(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])


@pytest.mark.parametrize("language", ["nl", "en"])
def test_a_webhook_is_made_as_the_help_page_says(
    open_site, receiver, mailbox, language
):
    page = open_site(language)
    may_copy(page)
    page.goto("/admin/")
    group = page.locator("#nav-sidebar-apps > div", has_text="Settings")
    group.get_by_role("link", name="Webhooks").click()
    page.get_by_role("link", name="New webhook").click()
    page.get_by_label("URL").fill(receiver.url)
    choices = page.locator("#id_events label:visible")
    assert [text.split()[-1] for text in choices.all_inner_texts()] == [
        "message.received",
        "thread.created",
        "thread.closed",
        "thread.assigned",
    ]
    page.get_by_label("message.received").check()
    page.get_by_text("More events").click()
    page.get_by_label("message.bounced").check()
    page.locator("#submit-row button[name=_save]").click()
    expect(page.get_by_role("heading", name="Webhook secret")).to_be_visible()
    webhook = Webhook.objects.get()
    assert urlsplit(page.url).path == f"/admin/webhooks/webhook/{webhook.pk}/change/"
    assert webhook.events == ["message.received", "message.bounced"]
    secret = webhook.secrets.get().value
    assert secret not in page.content()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert copied(page) == secret
