"""The bare sender: 16 threads, each with a kept session, that sign and POST.

    python -m bench.yardstick.bare COUNT URL…

No database, no address policy, no deadline, no record of what became of it.
"""

import base64
import hmac
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from time import time

import requests

THREADS = 16
SECRET = b"x" * 32
BODY = json.dumps({"event": "message.received", "body_text": "Hallo, " * 285}).encode()
_thread = threading.local()


def send(number: int, url: str) -> None:
    if not hasattr(_thread, "session"):
        _thread.session = requests.Session()
        _thread.session.trust_env = False
    moment = str(int(time()))
    signed = f"msg_{number}.{moment}.".encode() + BODY
    digest = base64.b64encode(hmac.digest(SECRET, signed, sha256)).decode()
    _thread.session.post(
        url,
        data=BODY,
        headers={
            "content-type": "application/json",
            "webhook-id": f"msg_{number}",
            "webhook-timestamp": moment,
            "webhook-signature": f"v1,{digest}",
        },
        timeout=15,
        allow_redirects=False,
    ).raise_for_status()


if __name__ == "__main__":
    urls = sys.argv[2:]
    with ThreadPoolExecutor(THREADS) as pool:
        for sent in [
            pool.submit(send, number, urls[number % len(urls)])
            for number in range(int(sys.argv[1]))
        ]:
            sent.result()
