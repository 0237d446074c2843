"""What every test may ask for."""

import os
from pathlib import Path

import pytest
from django.conf import settings

collect_ignore = ["postgres.py"]


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
