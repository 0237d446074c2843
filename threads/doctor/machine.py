"""What MailBelly stands on: settings, database, disk, clock, secrets, its address."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from shutil import disk_usage

import requests
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Sum
from django.db.models.functions import Now
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from threads.doctor.finding import Finding, error, ok, warning
from threads.health import LEAST_FREE, LEAST_SHARE, is_low
from threads.models import Message
from webhooks.encryption import secrets
from webhooks.leases import clock
from webhooks.management.base import not_migrated, out_of_reach

_GROWTH_DAYS = 7
_LEAST_DAYS = 30
# Receivers refuse a webhook that seems five minutes old.
_CLOCK_SECONDS = 5
_CLOCK_MOST_SECONDS = 120
_PATIENCE_SECONDS = 10
_HTTP_OK = 200
# What Django says beside threads.W001, which names the one cause of all.
_OF_PLAIN_HTTP = {f"security.W0{number}" for number in ("04", "08", "12", "16")}


def configuration() -> Iterator[Finding]:
    """The checks that `manage.py check --deploy` makes; no database is asked."""
    about = "configuration"
    said = checks.run_checks(include_deployment_checks=not settings.DEBUG)
    if not settings.SECURE_PUBLIC:
        said = [message for message in said if message.id not in _OF_PLAIN_HTTP]
    found = list(_told(about, said))
    yield from found
    if settings.DEBUG:
        yield warning(
            about,
            "DEBUG is on: this is a try-out.",
            "Where strangers come, set DEBUG=false and run this again.",
        )
    elif not found:
        yield ok(about, "all checks of manage.py check --deploy pass")


def language() -> Iterator[Finding]:
    about = "language"
    encoding = sys.getfilesystemencoding()
    if encoding.lower().replace("-", "") != "utf8":
        yield warning(
            about,
            f"File names are read as {encoding}: names of mails may be garbled.",
            "Set LANG=C.UTF-8 for all processes.",
        )
    folder = Path(settings.LOCALE_PATHS[0]) / "nl" / "LC_MESSAGES"
    missing = [
        name for name in ("django.mo", "djangojs.mo") if not _there(folder, name)
    ]
    if missing:
        yield warning(
            about,
            f"The Dutch texts are not compiled: {', '.join(missing)}.",
            "Restore mailbelly/locale, as it is delivered.",
        )
    elif encoding:
        yield ok(about, f"Dutch and English; file names in {encoding}")


def database() -> Iterator[Finding]:
    """An error here means that no further question of it can be asked."""
    about = "database"
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        waiting = not_migrated()
    except (DatabaseError, InterfaceError) as refusal:
        said = out_of_reach(refusal) or str(refusal)
        yield error(about, said, "Is it running, and is DATABASE_URL right?")
        return
    if waiting:
        yield error(about, waiting, "")
        return
    found = list(
        _told(
            about,
            checks.run_checks(
                tags=[checks.Tags.database],
                include_deployment_checks=True,
                databases=["default"],
            ),
        )
    )
    yield from found
    yield from _encoding(about)
    version = ".".join(str(part) for part in connection.get_database_version())
    kept = _bytes(_size())
    if not found:
        yield ok(
            about,
            f"{connection.display_name} {version}, migrated, commits are durable,"
            f" {kept}",
        )


def disk(*, reachable: bool) -> Iterator[Finding]:
    """Of the folder that holds our files; a database elsewhere has its own."""
    about = "disk"
    folder = Path(settings.DATA_DIR)
    if connection.vendor == "sqlite":
        folder = Path(str(connection.settings_dict["NAME"])).parent
    low = is_low(folder)
    while not folder.exists():
        folder = folder.parent
    usage = disk_usage(folder)
    free = f"{_bytes(usage.free)} free of {_bytes(usage.total)}"
    mend = "Make room: when a commit fails, mail waits at its source."
    text = f"{folder}: {free}"
    if usage.free < min(LEAST_FREE, usage.total * LEAST_SHARE):
        yield error(about, text, mend)
    elif low:
        yield warning(about, text, mend)
    else:
        yield ok(about, text)
    if reachable:
        yield from _growth(usage.free)


def clocks() -> Iterator[Finding]:
    """Leases go by the database's; signatures, and what people read, by this one."""
    about = "clock"
    if connection.vendor == "sqlite":
        yield ok(about, f"{timezone.now():%Y-%m-%d %H:%M:%S} UTC")
        return
    apart = abs((clock() - timezone.now()).total_seconds())
    text = f"This machine and the database differ by {apart:.1f} s."
    mend = "Let all machines follow NTP: receivers refuse what seems five minutes old."
    if apart > _CLOCK_MOST_SECONDS:
        yield error(about, text, mend)
    elif apart > _CLOCK_SECONDS:
        yield warning(about, text, mend)
    else:
        yield ok(about, f"{timezone.now():%Y-%m-%d %H:%M:%S} UTC; the database agrees")


def stored_secrets() -> Iterator[Finding]:
    about = "secrets"
    total = old = 0
    try:
        for secret in secrets():
            total += 1
            if not secret.readable:
                yield error(
                    about,
                    f"{secret}: no key opens it.",
                    "Put the key it was written with back into ENCRYPTION_KEYS, after"
                    " the first one.",
                )
            elif not secret.newest:
                old += 1
    except ImproperlyConfigured as refusal:
        yield error(about, str(refusal), "")
        return
    if old:
        yield warning(
            about,
            f"{old} of {total} are under an older key.",
            "manage.py rotate_encryption_keys writes them under the first one.",
        )
    else:
        yield ok(about, f"{total} stored, under the first of ENCRYPTION_KEYS")


def address() -> Iterator[Finding]:
    """As a browser comes in: by name, through the proxy."""
    about = "address"
    url = f"{settings.PUBLIC_URL}/healthz"
    session = requests.Session()
    session.trust_env = False
    try:
        answer = session.get(url, timeout=_PATIENCE_SECONDS, allow_redirects=False)
    except requests.exceptions.SSLError as refusal:
        yield error(
            about,
            f"{url}: the certificate is not good ({_said(refusal)}).",
            "Renew it in the proxy.",
        )
        return
    except requests.RequestException as refusal:
        yield warning(
            about,
            f"{url} does not answer from here ({_said(refusal)}).",
            "Does a browser reach it? Else look at the proxy, and at: manage.py alive"
            " web",
        )
        return
    finally:
        session.close()
    if answer.status_code == _HTTP_OK:
        yield ok(about, f"{settings.PUBLIC_URL} answers")
    else:
        yield error(
            about,
            f"{url} answers {answer.status_code}.",
            "400: the proxy must pass Host on; 301: PUBLIC_URL is not where it really"
            " is; 502: start the web server; 503: the database is away.",
        )


def _told(about: str, found: list[checks.CheckMessage]) -> Iterator[Finding]:
    for message in found:
        if message.is_silenced() or not message.is_serious(checks.WARNING):
            continue
        make = error if message.is_serious(checks.ERROR) else warning
        said = " ".join(f"{message.msg} ({message.id})".split())
        yield make(about, said, " ".join((message.hint or "").split()))


def _bytes(count: int) -> str:
    """In a terminal, with a plain blank."""
    return filesizeformat(count).replace("\xa0", " ")


def _there(folder: Path, name: str) -> bool:
    return (folder / name).is_file()


def _encoding(about: str) -> Iterator[Finding]:
    """Mail is in every script there is."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_encoding")
        encoding = cursor.fetchone()[0]
    if encoding != "UTF8":
        yield error(
            about,
            f"It stores text as {encoding}; not every mail fits in.",
            "Dump it and restore it into one made with: createdb --encoding UTF8"
            " --template template0",
        )


def _size() -> int:
    question = (
        "SELECT pg_database_size(current_database())"
        if connection.vendor == "postgresql"
        else "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    )
    with connection.cursor() as cursor:
        cursor.execute(question)
        return int(cursor.fetchone()[0])


def _growth(free: int) -> Iterator[Finding]:
    about = "growth"
    recent = Message.objects.filter(received_at__gte=Now() - timedelta(_GROWTH_DAYS))
    came = recent.aggregate(bytes=Sum("original__size"))["bytes"] or 0
    daily = came // _GROWTH_DAYS
    text = f"{_bytes(daily)} of mail a day, over the last {_GROWTH_DAYS} days"
    if connection.vendor == "sqlite" and daily and free / daily < _LEAST_DAYS:
        yield warning(
            about,
            f"{text}: the disk is full in {free // daily} days.",
            "Make room, or move to PostgreSQL on a larger disk.",
        )
    else:
        yield ok(about, text)


def _said(refusal: Exception) -> str:
    """The innermost reason; what libraries wrap around it helps nobody."""
    reason: BaseException = refusal
    while inner := reason.__cause__ or reason.__context__:
        reason = inner
    return " ".join(str(reason).split())[:200]
