"""The code of docs/webhooks.md, pasted as it stands, against requests really sent."""

import base64
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from time import time

import pytest
from django.core.management import call_command

from tests.processes import ROOT
from tests.programs import program
from tests.receivers import receiving
from webhooks import delivery, outbox, rotation, signing, subscriptions

SNIPPETS = dict(
    re.findall(
        r"^```(\w+) verify\n(.+?)^```",
        (ROOT / "docs/webhooks.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
)
# What a page around the code does: reads a request as JSON, prints the verdict.
PYTHON = """
import json, sys
asked = json.load(sys.stdin)
body = base64.b64decode(asked["body"])
print("ours" if verify(asked["secret"], asked["headers"], body) else "refused")
"""
JAVASCRIPT = """
const asked = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const body = Buffer.from(asked.body, "base64");
console.log(verify(asked.secret, asked.headers, body) ? "ours" : "refused");
"""
PHP = """
$asked = json_decode(file_get_contents('php://stdin'), true);
$body = base64_decode($asked['body']);
echo verify($asked['secret'], $asked['headers'], $body) ? "ours" : "refused";
"""
LIBRARY = """
const { Webhook } = require("standardwebhooks");
const said = {};
const asked = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
for (const [name, [secret, headers, body]] of Object.entries(asked)) {
  try { said[name] = new Webhook(secret).verify(body, headers).event; }
  catch (error) { said[name] = error.constructor.name; }
}
console.log(JSON.stringify(said));
"""


@dataclass(frozen=True)
class Request:
    secret: str
    headers: dict
    body: bytes

    def changed(self, **headers):
        return replace(self, headers={**self.headers, **headers})


def said_by(language, request, folder):
    """ "ours" or "refused", by the code of that language."""
    code = SNIPPETS[language]
    if language == "sh":
        return _said_by_shell(code, request, folder)
    asked = {
        "secret": request.secret,
        "headers": request.headers,
        "body": base64.b64encode(request.body).decode(),
    }
    command = {
        "python": lambda: [sys.executable, "-c", code + PYTHON],
        "js": lambda: [program("node", "nodejs"), "-e", code + JAVASCRIPT],
        "php": lambda: [program("php", "php-cli"), "-r", code + PHP],
    }[language]()
    done = subprocess.run(
        command,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def _said_by_shell(code, request, folder):
    program("openssl")
    (folder / "body").write_bytes(request.body)
    done = subprocess.run(
        ["sh", "-uc", code],
        env={
            "PATH": "/usr/bin:/bin",
            "secret": request.secret,
            "id": request.headers.get("webhook-id", ""),
            "timestamp": request.headers.get("webhook-timestamp", ""),
            "signature": request.headers.get("webhook-signature", ""),
            "body": str(folder / "body"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stderr == ""
    return {0: "ours", 1: "refused"}[done.returncode]


@pytest.fixture
def sent(transactional_db, settings):
    """A request as it arrived, of a webhook whose secret was just renewed."""
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with receiving() as receiver:
        webhook, old = subscriptions.create(
            {"url": receiver.url, "events": ["message.received"]}
        )[:2]
        new = rotation.rotate(webhook)
        outbox.test(webhook, "message.received")
        delivery.drain(budget_seconds=10)
        _, headers, body = receiver.wait_for(1)[0]
    lower = {name.lower(): value for name, value in headers.items()}
    return Request(old.value, lower, body), Request(new.value, lower, body)


@pytest.mark.parametrize("language", SNIPPETS)
def test_the_code_of_the_page_knows_our_requests_from_others(language, sent, tmp_path):
    """Two secrets live, so there are two signatures: either receiver is content."""
    old, new = sent
    now = int(new.headers["webhook-timestamp"])
    assert len(new.headers["webhook-signature"].split()) == 2
    assert said_by(language, old, tmp_path) == "ours"
    assert said_by(language, new, tmp_path) == "ours"
    for name, other in {
        "a byte more": replace(new, body=new.body + b" "),
        "another body": replace(new, body=new.body.replace(b"factuur", b"bestel!")),
        "another event": new.changed(**{"webhook-id": "c0000sample0event00000001"}),
        "another time": new.changed(**{"webhook-timestamp": str(now + 1)}),
        "no time": new.changed(**{"webhook-timestamp": ""}),
        "half a time": new.changed(**{"webhook-timestamp": f"{now}x"}),
        "no signature": new.changed(**{"webhook-signature": ""}),
        "half a signature": new.changed(
            **{"webhook-signature": new.headers["webhook-signature"][:20]}
        ),
        "a stranger's secret": replace(new, secret="whsec_" + "A" * 43 + "="),
        "no headers": replace(new, headers={}),
        "five minutes old": signed(new, time() - 310),
        "from tomorrow": signed(new, time() + 310),
    }.items():
        assert said_by(language, other, tmp_path) == "refused", name
    assert said_by(language, signed(new, time() - 280), tmp_path) == "ours"


def signed(request, moment):
    """The same, rightly signed at another time."""
    event_id = request.headers["webhook-id"]
    signature = signing.standard([request.secret], event_id, int(moment), request.body)
    return request.changed(
        **{"webhook-timestamp": str(int(moment)), "webhook-signature": signature}
    )


def test_the_page_has_the_four_languages_and_python_as_in_the_example():
    assert list(SNIPPETS) == ["python", "js", "php", "sh"]
    example = (ROOT / "examples/receiver.py").read_text()
    assert SNIPPETS["python"].partition("\n\n\n")[2].strip() in example


def test_listen_prints_the_code_of_the_page(capsys):
    call_command("listen", "--verifier")
    assert capsys.readouterr().out == SNIPPETS["python"]


def test_the_library_for_javascript_knows_our_requests_from_others(sent):
    """That for Python verifies in tests/webhooks/test_delivery.py."""
    modules = ROOT / ".venv/node"
    if not (modules / "node_modules/standardwebhooks").is_dir():
        line = f"npm install --prefix {modules} standardwebhooks@1.1.1"
        text = f"standardwebhooks for JavaScript is missing: {line}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(text)
    old, new = sent
    requests = {"old": old, "new": new, "other": replace(new, body=b"{}")}
    done = subprocess.run(
        [program("node", "nodejs"), "-e", LIBRARY],
        cwd=modules,
        input=json.dumps(
            {
                name: [one.secret, one.headers, one.body.decode()]
                for name, one in requests.items()
            }
        ),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert json.loads(done.stdout) == {
        "old": "message.received",
        "new": "message.received",
        "other": "WebhookVerificationError",
    }


def test_the_one_liner_makes_the_simple_signature(sent):
    request = sent[1]
    page = (ROOT / "docs/webhooks.md").read_text()
    line = re.search(r"^printf %s \"\$body\" \| openssl.+$", page, re.MULTILINE)[0]
    done = subprocess.run(
        ["sh", "-ec", line],
        env={
            "PATH": "/usr/bin:/bin",
            "body": request.body.decode(),
            "WEBHOOK_SECRET": request.secret,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    made = f"sha256={done.stdout.rpartition(' ')[2].strip()}"
    assert made in request.headers["x-mailbelly-signature-256"].split()
