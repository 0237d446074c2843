"""Who waits for news holds a thread of the server: a few may, one of each key."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from api.models import ApiKey

# Half of the threads of a process (gunicorn.conf.py): the others serve everybody else.
MOST_WAITING = 4

_lock = Lock()
_waiting: set[int] = set()


@contextmanager
def place(key: ApiKey) -> Iterator[bool]:
    """Whether this request may wait; to be held while it does."""
    with _lock:
        free = len(_waiting) < MOST_WAITING and key.pk not in _waiting
        if free:
            _waiting.add(key.pk)
    try:
        yield free
    finally:
        if free:
            with _lock:
                _waiting.discard(key.pk)
