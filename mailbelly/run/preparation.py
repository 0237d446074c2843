"""Database, first person, first key, and a sample for an empty try-out.

To be imported when Django is set up. What is there stays as it is.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection

from api.models import ApiKey
from mailbelly import env
from mailbelly.run import ports
from mailbelly.run.errors import StartError
from threads import people, sample
from threads.models import Mailbox, User
from webhooks import subscriptions

ADMINISTRATOR = "beheer@example.test"


@dataclass(slots=True)
class Prepared:
    """What is shown this once, and what the processes need to know."""

    folder: Path
    maildir: Path | None = None
    password: str = ""
    key: str = ""
    receiver: int = 0
    receiver_secret: str = ""
    # Mails that the fresh sample is going to tell of.
    expected: int = 0


def prepare() -> Prepared:
    """Raises `StartError` and `OSError`."""
    folder = Path(settings.DATA_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    prepared = Prepared(folder)
    try:
        call_command("migrate", verbosity=0)
        _first_person(prepared)
        if not ApiKey.objects.exists():
            prepared.key = ApiKey.objects.issue("make run")[1]
        if _wants_sample():
            url = f"http://127.0.0.1:{ports.for_receiver()}/"
            prepared.expected = sample.add(url)
        _find_sample(prepared)
    except DatabaseError as error:
        reason = str(error).strip().partition("\n")[0]
        raise StartError(
            f"The database refused: {reason}. Check DATABASE_URL and its permissions."
        ) from error
    finally:
        connection.close()
    return prepared


def _first_person(prepared: Prepared) -> None:
    if User.objects.exists():
        return
    user, _ = people.administrator(ADMINISTRATOR)
    prepared.password = secrets.token_urlsafe(12)
    user.set_password(prepared.password)
    user.save()


def _wants_sample() -> bool:
    wanted = settings.DEBUG and env.text("SAMPLE", "1") != "0"
    sqlite = connection.vendor == "sqlite"
    return wanted and sqlite and not Mailbox.objects.exists()


def _find_sample(prepared: Prepared) -> None:
    """Its receiver listens where its webhook points, or both move to a free port."""
    if Mailbox.objects.filter(address=sample.ADDRESS).exists():
        prepared.maildir = sample.folder()
    listening = sample.webhooks()
    if not listening:
        return
    webhook = listening[0]
    port = int(webhook.url.rpartition(":")[2].strip("/"))
    if not ports.is_free(port):
        port = ports.for_receiver()
        url = f"http://127.0.0.1:{port}/"
        webhook = subscriptions.change(webhook, {"url": url})
    prepared.receiver = port
    prepared.receiver_secret = webhook.secrets.live()[0].value
