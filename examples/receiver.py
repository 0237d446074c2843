"""Receives events and verifies who sent them: `WEBHOOK_SECRET=whsec_… python …`."""

import base64
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = os.environ.get("WEBHOOK_SECRET", "")


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


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        good = verify(SECRET, self.headers, body)
        # Answered before anything is done with it: the sender waits only so long.
        self.send_response(204 if good else 401)
        self.end_headers()
        if good:
            event = json.loads(body)
            print(event["event"], event["from"], event["subject"], flush=True)


if __name__ == "__main__":
    if not SECRET:
        sys.exit("Set WEBHOOK_SECRET to the whsec_… of the webhook's page.")
    port = int(os.environ.get("PORT", "8009"))
    HTTPServer(("127.0.0.1", port), Receiver).serve_forever()
