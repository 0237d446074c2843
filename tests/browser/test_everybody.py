"""The staff site without a mouse, without sharp eyes, and on a telephone."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.eyes import NAMELESS, PALE, SPOKEN_ICONS
from tests.desk import QUESTION, Desk, letter
from tests.threads.staffing import busy_office
from threads.models import Message, Recipient

UNFOLD = "document.querySelectorAll('.mb-page details').forEach((d) => d.open = true)"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def thread(staff):
    """One with every label that a message can have."""
    busy_office(staff)
    desk = Desk()
    first = desk.arrive(letter(QUESTION, files=[("a.pdf", "application/pdf", b"x")]))
    told = (
        {"protection": "encrypted", "authentication": "fail"},
        {"auto": True, "bulk": True, "repaired": True, "message_id_reused": True},
        {"complaint": {"recipient": "klant@bedrijf.nl", "type": "abuse"}},
        {"warnings": [{"code": "lookalike_domain", "evidence": "sh0p.nl"}]},
        {
            "direction": "outbound",
            "status": "bounced",
            "error_detail": "550 5.1.1 No such user",
        },
    )
    for number, fields in enumerate(told):
        raw = letter(message_id=f"<{number}@x>", in_reply_to="<1@bedrijf.nl>")
        message = desk.arrive(raw)
        Message.objects.filter(pk=message.pk).update(**fields)
    Recipient.objects.create(
        message=message, address="weg@x.nl", state="bounced", detail="552 Mailbox full"
    )
    first.thread.tags.create(name="factuur")
    return first.thread


@pytest.mark.parametrize("width", [1280, 380])
def test_everything_has_a_name_and_can_be_read(open_site, thread, width):
    page = open_site("nl", width=width)
    for path in (
        "/admin/",
        reverse("admin:threads_thread_changelist") + "?q=factuur",
        reverse("admin:threads_thread_change", args=[thread.public_id]),
        reverse("admin:webhooks_webhook_changelist"),
        reverse("admin:webhooks_webhook_add"),
        reverse("admin:threads_mailbox_change", args=[thread.mailbox_id]),
        reverse("admin:api_apikey_add"),
    ):
        page.goto(path)
        page.evaluate(UNFOLD)
        assert page.evaluate(PALE) == [], path
        assert page.evaluate(NAMELESS) == [], path
        assert page.evaluate(SPOKEN_ICONS) == [], path
        wide = "document.documentElement.scrollWidth - innerWidth"
        assert page.evaluate(wide) <= 0, path


def test_what_a_server_said_of_a_recipient_stands_on_the_message(open_site, thread):
    page = open_site("nl")
    page.goto(reverse("admin:threads_thread_change", args=[thread.public_id]))
    expect(page.get_by_text("weg@x.nl onbestelbaar 552 Mailbox full")).to_be_visible()


def test_the_menu_of_a_telephone_opens_by_key(open_site, thread):
    page = open_site("nl", width=380)
    page.goto("/admin/")
    mailboxes = page.get_by_role("link", name="Mailboxen")
    expect(mailboxes).not_to_be_in_viewport()
    page.get_by_role("button", name="Menu").first.press("Enter")
    expect(mailboxes).to_be_in_viewport()


def test_a_thread_is_answered_by_keys_alone(open_site, thread, settings):
    settings.EMAIL_HOST = "127.0.0.1"
    page = open_site("nl")
    page.goto(reverse("admin:threads_thread_change", args=[thread.public_id]))
    page.get_by_label("Je antwoord").press_sequentially("Komt goed.")
    seen = []
    for _ in range(6):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.innerText"))
        if seen[-1] == "Antwoord versturen":
            break
    else:
        pytest.fail(f"Tab leads to {seen}")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_text("Het antwoord is onderweg.")).to_be_visible()
