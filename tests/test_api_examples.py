"""Every example of docs/api.md, pasted in order, against a live site."""

import re
import subprocess
import sys

import pytest
from django.core.management import call_command

from api.models import ApiKey
from api.urls import v1
from tests.mails import Maildir, mail
from tests.processes import ROOT
from tests.programs import program
from tests.receivers import receiving
from threads.models import Mailbox, Source

PAGE = (ROOT / "docs/api.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.+?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def mailed(tmp_path, transactional_db):
    """Two threads of two mails each, the newest with an attachment."""
    folder = Maildir(tmp_path / "Maildir")
    mailbox = Mailbox.objects.create(address="support@shop.nl")
    Source.objects.create(mailbox=mailbox, kind="maildir", location=str(folder.path))
    for name in "ab":
        first = f"<{name}@bedrijf.nl>"
        folder.deliver(
            mail(
                message_id=first,
                sender=f"Klant <{name}@bedrijf.nl>",
                attachment=("factuur.pdf", b"%PDF-1.4"),
            )
        )
        again = {"in_reply_to": first, "sender": f"Klant <{name}@bedrijf.nl>"}
        folder.deliver(mail("Re: Vraag", message_id=f"<{name}2@bedrijf.nl>", **again))
    call_command("ingest")


@pytest.mark.usefixtures("mailed")
def test_every_example_of_the_page_works(environment, settings, live_server, tmp_path):
    program("curl")
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    settings.DEBUG = True
    settings.DATA_DIR = tmp_path
    deliver = f"{sys.executable} {ROOT}/manage.py deliver --once\n"
    with receiving() as receiver:
        script = ""
        for block in BLOCKS:
            if "/replay" in block:
                script += deliver
            script += block
        for old, new in (
            ("http://localhost:8000", live_server.url),
            ("https://example.com/mail", receiver.url),
            ("support@jouwdomein.nl", "support@shop.nl"),
            ("klant@bedrijf.nl", "b@bedrijf.nl"),
            ("export MAILBELLY_API_KEY=mb_…\n", ""),
        ):
            assert old in script
            script = script.replace(old, new)
        done = subprocess.run(
            ["sh", "-euc", script],
            env={**environment, "MAILBELLY_API_KEY": ApiKey.objects.issue("docs")[1]},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        assert len(receiver.requests) == 1
    assert '"status":"pending"' in done.stdout
    assert '"status":"stored"' in done.stdout
    assert (tmp_path / "factuur.pdf").read_bytes() == b"%PDF-1.4"
    assert (tmp_path / "original.eml").read_bytes().startswith(b"Message-ID: <")
    assert done.stdout.rstrip().endswith('{"status": "ok"}')


def test_every_route_has_an_example():
    examples = "".join(BLOCKS)
    for route in v1:
        pattern = re.sub(r"<\w+:\w+>", "[^ /]+", str(route.pattern))
        assert re.search(
            rf'^.*\b(api|\$\(api) "?{pattern}["? ]?', examples, re.MULTILINE
        ), route.pattern
