"""The environment of the test run, set before Django boots (pytest `-p`)."""

import os
import tempfile

os.environ["ENV_FILE"] = os.devnull
for name in ("EMAIL_HOST", "PUBLIC_URL", "WEBHOOK_ALLOWED_NETWORKS", "FAULT_STEP"):
    os.environ.pop(name, None)
os.environ.update(
    SECRET_KEY="tests-only-" + "x" * 50,
    ENCRYPTION_KEYS="3mK0cV5cJ2J8bqg8lC3i5mFqRr5r4xg5n8m0o1p2q3s=",
    DEBUG="false",
    DATA_DIR=tempfile.mkdtemp(prefix="mailbelly-tests-"),
    PUBLIC_URL="http://testserver",
)
# Several databases at once would each claim the machine's 2 cores; the suite runs
# once per database instead: DATABASE_URL says which.
if not os.environ.get("DATABASE_URL"):
    os.environ["DATABASE_URL"] = f"sqlite:///{os.environ['DATA_DIR']}/tests.sqlite3"
