"""Receives events and verifies who sent them: `WEBHOOK_SECRET=whsec_… python …`."""

import base64
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        sent_at = self.headers["webhook-timestamp"]
        signed = f"{self.headers['webhook-id']}.{sent_at}.".encode() + body
        mine = "v1," + base64.b64encode(hmac.digest(KEY, signed, "sha256")).decode()
        good = mine in self.headers["webhook-signature"].split()
        good = good and abs(time.time() - int(sent_at)) < 300
        self.send_response(204 if good else 401)
        self.end_headers()
        if good:
            event = json.loads(body)
            print(event["event"], event["from"], event["subject"], flush=True)


HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8009"))), Receiver).serve_forever()
