"""Which ports are free."""

import socket

from mailbelly import env
from mailbelly.run.errors import StartError

# Where a free port for the sample's receiver is looked for.
_RECEIVERS = range(8010, 8110)
_HIGHEST = 65_535


def chosen() -> int:
    """PORT, when it is free. Raises `StartError`."""
    text = env.text("PORT", "8000")
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= _HIGHEST):
        raise StartError(f"PORT is {text!r}; write a number, as PORT=8001.")
    if not is_free(int(text)):
        raise StartError(
            f"Port {text} is in use. Choose another: make run PORT={int(text) + 1}"
        )
    return int(text)


def for_receiver() -> int:
    for port in _RECEIVERS:
        if is_free(port):
            return port
    raise StartError(
        "No port is free for the sample's receiver. Leave the sample out: make run"
        " SAMPLE=0"
    )


def is_free(port: int) -> bool:
    """Raises `StartError` for a port that this user may not have."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise StartError(
                f"Port {port} is not for this user. Choose one above 1023: make run"
                " PORT=8000"
            ) from error
        except OSError:
            return False
    return True
