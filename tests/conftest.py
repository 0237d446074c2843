"""What every test may ask for."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection, transaction
from django.test import TransactionTestCase
from django.utils import translation

from tests.imapservers import dovecot

collect_ignore = ["postgres.py"]

# Tests make and guess many passwords; none is worth a second of computing.
PBKDF2PasswordHasher.iterations = 1_000


@pytest.fixture(scope="session")
def django_db_modify_db_settings_xdist_suffix(request):
    """A file for SQLite, not memory: threads and processes share it with the test."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    database = settings.DATABASES["default"]
    if "sqlite" in database["ENGINE"]:
        name = Path(settings.DATA_DIR) / f"test-{worker}.sqlite3"
        database.setdefault("TEST", {})["NAME"] = str(name)
    else:
        database.setdefault("TEST", {})["NAME"] = f"test_mailbelly_{worker}"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_xdist_suffix):
    """Asked for by pytest-django before it makes the test database."""


# What `migrate` fills for every installation alike.
_KEPT = {"django_migrations", "django_content_type", "auth_permission"}


def _leave_no_rows(_case):
    """What Django's flush does, without asking of every table and every right."""
    quote = connection.ops.quote_name
    tables = set(connection.introspection.django_table_names()) - _KEPT
    asked = (f"SELECT '{t}' WHERE EXISTS (SELECT 1 FROM {quote(t)})" for t in tables)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(asked))
        for (table,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM {quote(table)}")


TransactionTestCase._fixture_teardown = _leave_no_rows


@pytest.fixture(autouse=True)
def no_language_left_over():
    """The test client answers in this thread, and leaves it in the page's language."""
    yield
    translation.activate(settings.LANGUAGE_CODE)


@pytest.fixture
def environment(transactional_db):
    """For processes of ours: the test's own database, and where it keeps its files."""
    name = connection.settings_dict["NAME"]
    url = f"sqlite:///{name}"
    if connection.vendor != "sqlite":
        url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    return {
        **os.environ,
        "DATABASE_URL": url,
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "PYTHONPATH": str(settings.BASE_DIR),
    }


def pytest_addoption(parser):
    parser.addoption(
        "--database-only",
        action="store_true",
        help="leave out the tests that ask for no database",
    )


def pytest_collection_modifyitems(config, items):
    """On the second database, only what could go otherwise there."""
    if config.getoption("database_only"):
        others = [item for item in items if not _asks_for_database(item)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if _asks_for_database(item)]


def _asks_for_database(item):
    asked = {"db", "transactional_db"} & set(getattr(item, "fixturenames", ()))
    return bool(asked or item.get_closest_marker("django_db"))


def pytest_report_header():
    """Say which tests this run leaves out, and how to have them."""
    if os.environ.get("MAIL_CORPUS"):
        return f"corpus: {os.environ['MAIL_CORPUS']}"
    return "corpus: not collected; set MAIL_CORPUS to the folder of real mails"


@pytest.fixture(scope="session")
def imap_server():
    """A Dovecot for all tests of a process; each takes a user of its own."""
    with dovecot() as server:
        yield server
