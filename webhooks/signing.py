"""Both signatures that stand on every attempt. Pure."""

import base64
import binascii
import hmac
from collections.abc import Iterable
from hashlib import sha256

PREFIX = "whsec_"


def key_bytes(secret: str) -> bytes:
    """The random bytes behind `whsec_` + base64. Raises `ValueError`."""
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("A webhook secret is whsec_ and base64.") from error


def standard(secrets: Iterable[str], event_id: str, timestamp: int, body: bytes) -> str:
    """`webhook-signature` of Standard Webhooks 1.0.0, one `v1,…` per live secret.

    >>> standard(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    ...          "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = f"{event_id}.{timestamp}.".encode() + body
    return " ".join(
        "v1,"
        + base64.b64encode(hmac.digest(key_bytes(secret), signed, "sha256")).decode()
        for secret in secrets
    )


def simple(secrets: Iterable[str], body: bytes) -> str:
    """`X-MailBelly-Signature-256`: hex over the body, the secret as shown is the key.

    >>> simple(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], b'{"test": 2432232314}')
    'sha256=80ec8a89ce3cd22133a1066caecb4d04fea7467657c8514d717ec42c38a5c94c'
    """
    return " ".join(
        "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()
        for secret in secrets
    )
