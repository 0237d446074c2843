"""The code of docs/webhooks.md, for whoever has only a terminal open."""

PYTHON = '''\
import base64
import hmac
import time


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
'''
