"""LMTP (RFC 2033): an MTA hands mail over, and hears of each recipient by itself.

250 is said after the commit and not before; whatever fails is 451, and the MTA keeps
the mail and tries again. Two mailboxes of ours that share a mail have a copy each.

A mail over the limit is 552, and its sender hears of it; so do the people who run us,
once for each mailbox. When the MTA says how large it is, nothing of it is sent.
"""

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import Envelope, Session
from django.conf import settings
from django.db import close_old_connections

from threads.doors import source_for
from threads.ingest import Options
from threads.models import Mailbox, Source
from threads.models.limits import MEGABYTE, mail_bytes
from threads.parsers import Parsers
from threads.reception import receive
from threads.routing import Router
from threads.sources.handed import Handed

log = logging.getLogger(__name__)

# Mails that are parsed and stored at a time; others wait for their answer.
AT_ONCE = 8
# A new mailbox counts after so long.
ROUTES_SECONDS = 5
IDLE_SECONDS = 300
STOP_SECONDS = 30
# Until the last answer has left.
_LAST_WORDS_SECONDS = 0.1
STORED = "250 2.0.0 Stored"
LATER = "451 4.3.0 Not stored; try again later"
STOPPING = "421 4.3.2 Shutting down"
NOBODY = "550 5.1.1 No such mailbox here"
TOO_LARGE = "552 5.3.4 The mail is larger than %d MiB"
_TOO_MANY = "452 4.5.3 Too many recipients"
_MOST_RECIPIENTS = 100


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: a path, or host and port."""

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


class _Counted:
    """Reads for aiosmtpd and counts; of what nobody wants any more no piece is kept."""

    def __init__(self, reader: asyncio.StreamReader, limit: int) -> None:
        self.reader = reader
        self.limit = limit
        self.size = 0

    async def readuntil(self, end: bytes) -> bytes:
        line = await self.reader.readuntil(end)
        self.size += len(line)
        return line

    async def read(self, most: int) -> bytes:
        """Of a line that is too long, which aiosmtpd would keep to its end."""
        piece = await self.reader.read(most)
        self.size += len(piece)
        return b"" if self.size > self.limit else piece


class _Server(LMTP):
    """What aiosmtpd leaves to be said for each recipient is said for each."""

    # A mail with long lines is a mail.
    line_length_limit = 1024 * 1024
    _data: _Counted | None = None

    async def smtp_MAIL(self, arg: str | None) -> None:
        """Whatever size it says: for whom it is, we hear later."""
        limit, self.data_size_limit = self.data_size_limit, None
        try:
            await super().smtp_MAIL(arg)
        finally:
            self.data_size_limit = limit

    async def smtp_DATA(self, arg: str) -> None:
        reader = self._reader
        # As it was when the recipients were looked up, a moment ago.
        self.data_size_limit = self.event_handler.limit
        self._data = _Counted(reader, self.data_size_limit)
        self._reader = self._data  # type: ignore[assignment]  # all it is asked for
        try:
            await super().smtp_DATA(arg)
        finally:
            self._data, self._reader = None, reader

    async def push(self, status: Any) -> None:
        """What refuses the whole mail refuses it for each."""
        data, envelope = self._data, self.envelope
        if data and envelope and status.startswith(("500", "552")):
            answers = [status] * len(envelope.rcpt_tos)
            if data.size > data.limit:
                answers = await self.event_handler.refuse(envelope, data.size)
            status = "\r\n".join(answers)
        await super().push(status)


class Listener:
    """Until it is told to stop; then the mails in hand are finished."""

    def __init__(self, address: Address, parsers: Parsers, *, mode: int) -> None:
        self.address = address
        self.parsers = parsers
        self.mode = mode
        self.routes = _Routes()
        self.stop = asyncio.Event()
        self.idle = asyncio.Event()
        self.in_hand = 0

    async def serve(self, ready: Callable[[], None]) -> None:
        """Raises `OSError` when it can't listen there."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="lmtp") as self.pool:
            server = await self._listen(loop)
            ready()
            await self.stop.wait()
            server.close()
            if self.address.path:
                _tidy(self.address.path)
            with suppress(TimeoutError):
                self._note(0)
                await asyncio.wait_for(self.idle.wait(), STOP_SECONDS)
            await asyncio.sleep(_LAST_WORDS_SECONDS)

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
        def session() -> _Server:
            return _Server(
                self,
                data_size_limit=self.limit,
                enable_SMTPUTF8=True,
                hostname=socket.gethostname(),
                ident="MailBelly",
                timeout=IDLE_SECONDS,
                loop=loop,
            )

        if self.address.path:
            bound = _bound(self.address.path, self.mode)
            return await loop.create_unix_server(session, sock=bound)
        return await loop.create_server(session, self.address.host, self.address.port)

    @property
    def limit(self) -> int:
        return self.routes.limit

    @property
    def options(self) -> Options:
        return Options(limit=self.limit, parsers=self.parsers)

    def _note(self, change: int) -> None:
        """How many mails are in hand."""
        self.in_hand += change
        if self.in_hand:
            self.idle.clear()
        else:
            self.idle.set()

    # --- What the MTA says (aiosmtpd's hooks) --------------------------------------

    async def handle_EHLO(
        self,
        server: _Server,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        # Without the limit: a mail over it is refused by us, who tell people of it.
        said = ["250-SIZE" if r.startswith("250-SIZE") else r for r in responses]
        return [*said[:-1], "250-PIPELINING", said[-1]]

    async def handle_MAIL(
        self,
        server: _Server,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if self.stop.is_set():
            return STOPPING
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(
        self,
        server: _Server,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        if len(envelope.rcpt_tos) >= _MOST_RECIPIENTS:
            return _TOO_MANY
        try:
            mailbox = await self._in_thread(self.routes.mailbox_of, address)
        except Exception:
            log.exception("A recipient could not be looked up")
            return LATER
        if mailbox is None:
            return NOBODY
        size = _declared(envelope)
        if size > self.limit:
            said: str = await self._in_thread(self._refuse, address, envelope, size)
            return said
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"

    async def handle_DATA(
        self, server: _Server, session: Session, envelope: Envelope
    ) -> str:
        """An answer for each recipient, in their order."""
        content = bytes(envelope.original_content or b"")
        envelope.content = envelope.original_content = None
        self._note(1)
        try:
            answers = [
                await self._in_thread(
                    self._store, recipient, envelope.mail_from or "", content
                )
                for recipient in envelope.rcpt_tos
            ]
        finally:
            self._note(-1)
        return "\r\n".join(answers)

    async def refuse(self, envelope: Envelope, size: int) -> list[str]:
        """A mail that turned out to be too large: an answer for each recipient."""
        self._note(1)
        try:
            return [
                await self._in_thread(self._refuse, recipient, envelope, size)
                for recipient in envelope.rcpt_tos
            ]
        finally:
            self._note(-1)

    async def handle_exception(self, error: Exception) -> str:
        log.error("A session failed", exc_info=error)
        return LATER

    # --- In a thread ------------------------------------------------------------------

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.pool, _connected, work, *arguments)

    def _store(self, recipient: str, sender: str, content: bytes) -> str:
        try:
            mailbox = self.routes.mailbox_of(recipient)
            if mailbox is None:  # taken away since
                return NOBODY
            source = source_for(mailbox, Source.Kind.LMTP)
            delivered = _envelope(sender, recipient) + content
            record = receive(source, Handed.whole(delivered), self.options)
        except Exception:
            # A full disk, a database that is away: nothing is lost, the MTA has it.
            log.exception("A mail for %s was not stored", recipient)
            return LATER
        return f"{STORED} as {record.public_id}"

    def _refuse(self, recipient: str, envelope: Envelope, size: int) -> str:
        """Once people can know of it, and not before."""
        sender = (envelope.mail_from or "").strip("<>")
        try:
            mailbox = self.routes.mailbox_of(recipient)
            if mailbox is None:
                return NOBODY
            source = source_for(mailbox, Source.Kind.LMTP)
            options = self.options
            receive(source, Handed.refused(sender, size), options)
        except Exception:
            log.exception("That a mail for %s is too large was not noted", recipient)
            return LATER
        return TOO_LARGE % (options.limit // MEGABYTE)


class _Routes:
    """Which mailbox takes an address, and how much; asked anew every few seconds."""

    def __init__(self) -> None:
        self.limit: int = settings.MAIL_SIZE_LIMIT
        self._router: Router | None = None
        self._asked = 0.0
        self._lock = threading.Lock()

    def mailbox_of(self, address: str) -> Mailbox | None:
        """Raises what the database raises when it is gone."""
        with self._lock:
            if self._router is None or monotonic() - self._asked > ROUTES_SECONDS:
                self._router, self.limit = Router.now(), mail_bytes()
                self._asked = monotonic()
            return self._router.mailbox_of([address])


def _connected(work: Callable[..., Any], *arguments: Any) -> Any:
    close_old_connections()
    try:
        return work(*arguments)
    finally:
        close_old_connections()


def _declared(envelope: Envelope) -> int:
    """The size that MAIL gave (RFC 1870); 0 when it gave none."""
    sizes = (option.removeprefix("SIZE=") for option in envelope.mail_options)
    return next((int(size) for size in sizes if size.isdecimal()), 0)


def _envelope(sender: str, recipient: str) -> bytes:
    """What the last server of a mail's way writes above it (RFC 5321 section 4.4)."""
    # aiosmtpd spells the sender of a bounce "<>".
    lines = f"Return-Path: <{sender.strip('<>')}>\r\nDelivered-To: {recipient}\r\n"
    return lines.encode("utf-8", "replace")


def _bound(path: str, mode: int) -> socket.socket:
    """Takes the place of a listener that was killed; raises when one lives."""
    if Path(path).is_socket():
        with socket.socket(socket.AF_UNIX) as other, suppress(ConnectionRefusedError):
            other.connect(path)
            raise OSError("somebody listens there already")
        _tidy(path)
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(path)
    Path(path).chmod(mode)
    return bound


def _tidy(path: str) -> None:
    Path(path).unlink(missing_ok=True)
