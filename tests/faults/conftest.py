import os
import random
import sys
from contextlib import contextmanager

import pytest

from tests.faults.load import Load
from tests.imapservers import has_dovecot
from tests.receivers import receiving
from tests.threads.conftest import ingest, mailbox, maildir, source  # noqa: F401


@pytest.fixture
def dice():
    seed = int(os.environ.get("FAULT_SEED", str(random.randrange(10**6))))
    print(f"\nFAULT_SEED={seed}", file=sys.__stderr__)
    return random.Random(seed)


@pytest.fixture
def imap(request):
    """One door less where there is no server for it."""
    if has_dovecot() or os.environ.get("CI"):
        return request.getfixturevalue("imap_server")
    return None


@contextmanager
def loaded(folder, environment, dice, imap):
    with receiving() as receiver:
        load = Load(folder, environment, receiver, dice, imap)
        try:
            yield load
        finally:
            load.end()


@pytest.fixture
def load(tmp_path, environment, settings, dice, imap):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with loaded(tmp_path, environment, dice, imap) as load:
        yield load
