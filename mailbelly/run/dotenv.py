"""The `.env` of the try-out: fresh secrets, made once and never overwritten."""

import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet

_TEXT = """\
# Written by `make run`. docs/configuration.md lists all there is to set.
SECRET_KEY={secret_key}
ENCRYPTION_KEYS={encryption_key}
DEBUG=true
# The try-out's receivers are on this machine.
WEBHOOK_ALLOWED_NETWORKS=127.0.0.0/8,::1
"""


def write(path: Path) -> bool:
    """Whether it had to be written. Raises `OSError`."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 -- a descriptor
        file.write(
            _TEXT.format(
                secret_key=secrets.token_urlsafe(50),
                encryption_key=Fernet.generate_key().decode(),
            )
        )
    return True
