"""The integrations in examples/: real mail, real deliveries, a fake other side."""

import json
import socket
import subprocess
import sys
from contextlib import ExitStack
from time import sleep

import pytest
import requests

from api.models import ApiKey
from tests.mails import Maildir, mail
from tests.processes import ROOT, eventually
from tests.receivers import receiving
from tests.test_verification_snippets import SNIPPETS
from threads.ingest import Options, take_in
from threads.models import Mailbox, Source, Thread, User
from threads.sources.maildir import Maildir as Door
from webhooks import delivery, outbox, subscriptions
from webhooks.models import Delivery

# What each listens to.
EVENTS = {
    "new_customer_to_crm": "thread.created",
    "invoice_to_helpdesk": "thread.created",
    "cancelled_order_to_slack": "message.received",
    "support_request_to_team": "thread.created",
}
MAILS = (
    {"subject": "Vraag over factuur 7", "text": "Klopt het bedrag?\n"},
    {"subject": "Bestelling annuleren <A&B>", "text": "Graag.\n"},
    {"subject": "Storing", "text": "Er werkt niets meer.\n"},
)


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def start(environment, tmp_path):
    """Runs an example with a webhook to it; `start(name, **settings)`."""
    with ExitStack() as stack:

        def run(name, **settings):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            hook, secret = subscriptions.create(
                {"url": f"http://127.0.0.1:{port}/", "events": [EVENTS[name]]}
            )
            log = stack.enter_context((tmp_path / f"{name}.log").open("w"))
            process = subprocess.Popen(
                [sys.executable, ROOT / f"examples/{name}.py"],
                cwd=tmp_path,
                env={
                    **environment,
                    "WEBHOOK_SECRET": secret.value,
                    "PORT": str(port),
                    "SEEN": str(tmp_path / f"{name}.sqlite3"),
                    **settings,
                },
                stderr=log,
            )
            stack.callback(process.wait, 10)
            stack.callback(process.kill)
            eventually(lambda: listening(port))
            return hook

        yield run


def until_delivered():
    """The first failures come again after 5 s; nobody waits for that here."""
    for _ in range(5):
        delivery.drain(budget_seconds=20)
        if not Delivery.objects.exclude(state="succeeded").exists():
            return
        Delivery.objects.filter(state="pending").update(next_at="2020-01-01T00:00Z")
        sleep(0.1)
    assert not Delivery.objects.exclude(state="succeeded").exists()


@pytest.mark.django_db(transaction=True)
def test_each_example_does_its_work_once(start, settings, live_server, tmp_path):
    """The CRM fails at first, every event is replayed, and a stranger knocks too."""
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    settings.PUBLIC_URL = live_server.url
    User.objects.create_user("jan", "jan@shop.nl")
    _, key = ApiKey.objects.issue("team", scopes=["threads:write"])
    folder = Maildir(tmp_path / "Maildir")
    mailbox = Mailbox.objects.create(address="support@shop.nl")
    source = Source.objects.create(
        mailbox=mailbox, kind="maildir", location=str(folder.path)
    )
    with (
        receiving((500, {}, b""), (201, {}, b"{}")) as crm,
        receiving((201, {}, b"{}")) as helpdesk,
        receiving((200, {}, b"ok")) as slack,
    ):
        hooks = [
            start("new_customer_to_crm", CRM_URL=crm.url, CRM_TOKEN="c"),
            start("invoice_to_helpdesk", HELPDESK_URL=helpdesk.url, HELPDESK_TOKEN="h"),
            start("cancelled_order_to_slack", SLACK_URL=slack.url),
            start(
                "support_request_to_team",
                MAILBELLY_API_KEY=key,
                ASSIGNEE="jan@shop.nl",
            ),
        ]
        for number, values in enumerate(MAILS):
            folder.deliver(mail(message_id=f"<{number}@bedrijf.nl>", **values))
        take_in(source, Door(folder.path), Options(limit=10**7))
        until_delivered()
        for told in Delivery.objects.all():
            outbox.replay(told)
        until_delivered()
        assert Delivery.objects.count() == 24
        for hook in hooks:
            assert requests.post(hook.url, b"{}", timeout=5).status_code == 401

    failed, contact = crm.requests
    assert failed[2] == contact[2]
    assert json.loads(contact[2]) == {"email": "klant@bedrijf.nl", "name": "Klant"}
    assert contact[1]["Authorization"] == "Bearer c"
    (ticket,) = helpdesk.requests
    asked = Thread.objects.get(subject="Vraag over factuur 7")
    assert json.loads(ticket[2]) == {
        "from": "klant@bedrijf.nl",
        "subject": asked.subject,
        "body_text": "Klopt het bedrag?",
        "external_id": asked.public_id,
    }
    (post,) = slack.requests
    said = json.loads(post[2])["text"]
    assert "klant@bedrijf.nl wants to cancel" in said
    assert "&lt;A&amp;B&gt;" in said
    trouble = Thread.objects.get(subject="Storing")
    assert (trouble.priority, trouble.assignee.email) == ("urgent", "jan@shop.nl")
    others = Thread.objects.exclude(pk=trouble.pk)
    assert set(others.values_list("priority", "assignee")) == {("normal", None)}


@pytest.mark.parametrize("name", EVENTS)
def test_each_example_is_short_and_verifies_as_the_page_says(name):
    text = (ROOT / f"examples/{name}.py").read_text()
    assert len(text.splitlines()) < 60
    assert SNIPPETS["python"].partition("\n\n\n")[2].strip() in text
    page = (ROOT / "docs/webhooks.md").read_text()
    assert f"[{name}.py](../examples/{name}.py) | `{EVENTS[name]}`" in page


def test_every_example_is_run_by_a_test():
    written = {path.stem for path in (ROOT / "examples").glob("*.py")}
    assert written == {"receiver", *EVENTS}
