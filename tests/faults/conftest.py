from tests.threads.conftest import ingest, mailbox, maildir, source  # noqa: F401
