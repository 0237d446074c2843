"""From a source to the door that reads it; and the sources that nobody configured."""

from datetime import datetime

from django.db.models.functions import Now
from django.utils.translation import gettext_noop as _
from imapclient.exceptions import LoginError

from threads import tokens
from threads.models import Mailbox, Source
from threads.models.limits import mail_bytes
from threads.networks import HostRefusedError, check_host
from threads.sources.base import Door, OutageError, SourceError
from threads.sources.handed import Shut
from threads.sources.imap import Imap, Past, Wanted
from threads.sources.imapserver import Server
from threads.sources.imapwire import (
    Connection,
    Login,
    by_password,
    by_token,
    connect,
)
from threads.sources.maildir import Maildir
from webhooks.fields import UnreadableSecretError


def open_door(source: Source, *, since: datetime | None = None) -> Door:
    """Raises `SourceError` when the place is not what the source says it is."""
    if source.handed_over:
        return Shut()
    if source.kind == Source.Kind.MAILDIR:
        return Maildir(source.location)
    if source.kind == Source.Kind.IMAP:
        door = imap_door(source, since=since)
        door.begin(past_of(source))
        return door
    raise SourceError(
        _("%(source)s: this version can't read such a source. Make it inactive."),
        permanent=True,
        source=source,
    )


def imap_door(source: Source, *, since: datetime | None = None) -> Imap:
    """Not connected yet."""
    server = Server.parse(source.location)
    wanted = Wanted(since=since or start_of(source), limit=mail_bytes())

    def dial() -> Connection:
        """Anew each time: a name may point elsewhere by now, a token be too old."""
        try:
            check_host(server.host, server.port)
        except HostRefusedError as error:
            raise OutageError(
                "%(reason)s", permanent=True, reason=str(error)
            ) from error
        except OSError:
            pass  # a name that is unknown is the connection's to say
        login, authority = _credentials(source, server)
        return connect(server, login, authority=authority)

    return Imap(server, dial, wanted)


def past_of(source: Source) -> Past:
    return Past(
        epoch=source.uidvalidity, next_uid=source.uid_next, floor=source.uid_floor
    )


def start_of(source: Source) -> datetime | None:
    """From when on a configured source wants its mail."""
    if source.start == Source.Start.NOW:
        return source.created_at
    return source.since if source.start == Source.Start.SINCE else None


def _credentials(source: Source, server: Server) -> tuple[Login, str]:
    try:
        stored = source.settings or {}
    except UnreadableSecretError as error:
        raise OutageError(
            _(
                "A stored secret can't be decrypted. Put the key it was written with"
                " back into ENCRYPTION_KEYS, after the first one."
            ),
            permanent=True,
        ) from error
    if stored.get("refresh_token"):
        login = _by_oauth(source, server)
    else:
        login = by_password(server.username, stored.get("password", ""))
    return login, stored.get("authority", "")


def _by_oauth(source: Source, server: Server) -> Login:
    """Once more with a fresh token when the server takes the old one for too old."""

    def login(connection: Connection) -> None:
        token = tokens.access_token(source)
        try:
            by_token(server.username, token)(connection)
        except LoginError:
            newer = tokens.access_token(source, refused=token)
            connection.allow()
            by_token(server.username, newer)(connection)

    return login


def source_for(
    mailbox: Mailbox | None, kind: str, location: str = "", *, make: bool = True
) -> Source:
    """Where the ledger keeps what comes by a command or an MTA.

    One for each mailbox, kind and place. Without a mailbox, each mail goes to the one
    that it was delivered to; then the source's own, the first catch-all or the oldest
    of all, hears of trouble. Unless `make`, it may be one without a row.
    """
    if mailbox is None:
        several = Source.objects.filter(
            kind=kind, location=f"{location} *".strip(), by_recipient=True
        )
        if found := several.select_related("mailbox").order_by("pk").first():
            return found
        mailbox = Mailbox.objects.order_by("-catch_all", "pk").first()
        if mailbox is None:
            raise SourceError(
                _(
                    "There is no mailbox yet. Create one in the admin, or with:"
                    " manage.py create_mailbox ADDRESS"
                )
            )
        location, by_recipient = f"{location} *".strip(), True
    else:
        by_recipient = False
    key = {"mailbox": mailbox, "kind": kind, "location": location}
    source = Source(**key, active=False, by_recipient=by_recipient)
    defaults: dict[str, object] = {"active": False, "by_recipient": by_recipient}
    if source.handed_over:
        # Active: a pass finishes what a death left. What comes now is no history.
        defaults |= {"active": True, "first_pass_at": Now()}
    if make:
        return Source.objects.get_or_create(**key, defaults=defaults)[0]
    return Source.objects.filter(**key).select_related("mailbox").first() or source
