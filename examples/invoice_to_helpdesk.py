"""A question about an invoice becomes a ticket in the helpdesk."""

import base64
import hmac
import json
import os
import sqlite3
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import requests

SECRET, PORT = os.environ["WEBHOOK_SECRET"], int(os.environ.get("PORT", "8009"))
HELPDESK_URL = os.environ["HELPDESK_URL"]  # https://helpdesk.bedrijf.nl/api/tickets
AUTH = {"Authorization": f"Bearer {os.environ['HELPDESK_TOKEN']}"}
WORDS = ("factuur", "invoice", "rechnung")
SEEN = sqlite3.connect(os.environ.get("SEEN", "seen.sqlite3"))
SEEN.execute("CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY)")


def verify(secret, headers, body):
    """Whether MailBelly sent these very bytes, at most five minutes ago."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    sent_at = headers.get("webhook-timestamp", "")
    if not sent_at.isdecimal() or abs(time.time() - int(sent_at)) > 300:
        return False
    signed = f"{headers.get('webhook-id', '')}.{sent_at}.".encode() + body
    digest = hmac.digest(key, signed, "sha256")
    expected = b"v1," + base64.b64encode(digest)
    given = headers.get("webhook-signature", "").encode().split()
    return any(hmac.compare_digest(expected, one) for one in given)


def handle(event):
    """For `thread.created`."""
    text = f"{event['subject']} {event['body_text']}".lower()
    if any(word in text for word in WORDS):
        ticket = {name: event[name] for name in ("from", "subject", "body_text")}
        ticket["external_id"] = event["thread_id"]
        requests.post(
            HELPDESK_URL, json=ticket, headers=AUTH, timeout=8
        ).raise_for_status()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        good = verify(SECRET, self.headers, body)
        if good:
            with SEEN:  # an exception takes the id back: then the event comes again
                known = "INSERT OR IGNORE INTO seen VALUES (?)"
                if SEEN.execute(known, [self.headers["webhook-id"]]).rowcount:
                    handle(json.loads(body))
        self.send_response(204 if good else 401)
        self.end_headers()


HTTPServer(("127.0.0.1", PORT), Receiver).serve_forever()
