"""A folder of an IMAP server (RFC 9051), read without leaving a trace.

EXAMINE and BODY.PEEK[] change nothing there. A mail's ref is its UID, valid as long as
UIDVALIDITY is the same. What was settled is not asked for again by the same process;
once an hour, and in a new process, everything is.
"""

import imaplib
import threading
from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from time import monotonic
from typing import Any

from imapclient import DELETED, SEEN
from imapclient.exceptions import IMAPClientError, ProtocolError

from threads.sources.base import (
    Copy,
    GoneError,
    OutageError,
    SourceError,
    UnfetchableError,
)
from threads.sources.imapserver import Server
from threads.sources.imapwire import (
    SMALL_TALK,
    Connection,
    broken,
    folders,
    said,
)
from webhooks.wording import marked as _

# How much is asked for at once.
_LISTED_AT_ONCE = 50_000
_BATCH_MAILS = 25
_BATCH_BYTES = 4 * 1024 * 1024
_ALL_AGAIN_SECONDS = 3600
# In a row, and the server is to blame rather than the mails.
_MOST_UNFETCHABLE = 3
# IDLE is left and begun anew; a connection that died in silence shows by that.
IDLE_SECONDS = 25
# Without IDLE.
_POLL_SECONDS = 10
_BODY = b"BODY[]"
# What the parser of answers can raise on nonsense, beside its own error.
_NONSENSE = (
    ProtocolError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    RecursionError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is known of a folder from before; empty at first contact."""

    # UIDVALIDITY; `9.1` is the second folder that said 9.
    epoch: str = ""
    next_uid: int = 0
    # UIDs from here on are new, whatever their date.
    floor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which mails: since when, and how large at most."""

    since: datetime | None = None
    limit: int


def epoch_after(past: Past, validity: int, next_uid: int) -> str:
    """UIDs that count down were given out anew, also if UIDVALIDITY keeps silent.

    >>> epoch_after(Past(epoch="9", next_uid=70), 9, 71)
    '9'
    >>> epoch_after(Past(epoch="9", next_uid=70), 9, 2)
    '9.1'
    >>> epoch_after(Past(epoch="9.1", next_uid=70), 10, 2)
    '10'
    """
    name, _dot, again = past.epoch.partition(".")
    if name != str(validity):
        return str(validity)
    if next_uid and next_uid < past.next_uid:
        return f"{validity}.{int(again or 0) + 1}"
    return past.epoch


def _delete(line: Connection, uids: Sequence[int]) -> None:
    """Without UIDPLUS only marked: a bare EXPUNGE would take others' mails along."""
    line.add_flags(uids, [DELETED], silent=True)
    if line.has_capability("UIDPLUS"):
        line.uid_expunge(uids)


class Imap:
    """`dial` connects, with TLS and logged in; it is called again after a break."""

    def __init__(
        self, server: Server, dial: Callable[[], Connection], wanted: Wanted
    ) -> None:
        self.server, self.wanted = server, wanted
        self.skipped: Counter[str] = Counter()
        self.epoch = ""
        self.next_uid = self.floor = 0
        # Called while something long arrives.
        self.pulse: Callable[[], None] = lambda: None
        self._dial = dial
        self._connection: Connection | None = None
        self._folder: dict[bytes, Any] = {}
        self._settled: set[int] = set()
        self._open: set[int] = set()
        self._listed_at: float | None = None
        self._listed_as: tuple[Any, ...] = ()
        # What is read next, with sizes; and what has been read ahead.
        self._ahead: deque[tuple[int, int]] = deque()
        self._fetched: dict[int, bytes] = {}
        self._unfetchable = 0
        # So many are asked for one by one: an answer with them in it made no sense.
        self._one_by_one = 0

    # --- The folder ------------------------------------------------------------------

    def begin(self, past: Past) -> None:
        """EXAMINE: which folder is it today? Raises `SourceError`."""
        self._folder = {}
        self._folder = self._examine()
        validity = int(self._folder.get(b"UIDVALIDITY", 0))
        self.next_uid = int(self._folder.get(b"UIDNEXT", 0))
        epoch = epoch_after(past, validity, self.next_uid)
        self.floor = past.floor if epoch == past.epoch else self.next_uid
        if epoch != self.epoch:
            self.epoch = epoch
            self._forget()

    def _examine(self) -> dict[bytes, Any]:
        try:
            answer: dict[bytes, Any] = self._ask(
                lambda line: line.select_folder(self.server.folder, readonly=True)
            )
        except IMAPClientError as error:
            raise OutageError(
                _(
                    "There is no folder %(folder)s at %(host)s (%(reason)s). There are:"
                    " %(folders)s."
                ),
                permanent=True,
                folder=self.server.folder,
                host=self.server.host,
                reason=said(error),
                folders=", ".join(self._ask(folders)) or "–",
            ) from error
        return answer

    def _forget(self) -> None:
        self._settled.clear()
        self._open.clear()
        self._listed_at, self._listed_as = None, ()

    # --- What is there ---------------------------------------------------------------

    def copies(self) -> Iterator[Copy]:
        """By UID; without what was settled before, and what is too old by far."""
        self.skipped.clear()
        self._ahead.clear()
        self._fetched.clear()
        self._unfetchable = 0
        self._open |= self._listed() - self._settled
        self._listed_as = self._signature()
        for uid in sorted(self._open):
            ref = str(uid)
            # The door itself knows what is wanted: also an old mail that was moved in.
            yield Copy(ref=ref, size=-1, place=ref, modified=inf, lasting=True)

    def _listed(self) -> set[int]:
        """UIDs: all of them, or what CONDSTORE (RFC 7162) says has changed."""
        now = monotonic()
        mark, seen = self._folder.get(b"HIGHESTMODSEQ"), self._listed_as
        fresh = (
            self._listed_at is not None and now < self._listed_at + _ALL_AGAIN_SECONDS
        )
        if fresh and mark and seen and seen[0]:
            if seen[0] == mark:
                return set()
            return self._searched(f"MODSEQ {seen[0] + 1}", self._ages())
        if not fresh:
            self._settled.clear()
            self._listed_at = now
        found: set[int] = set()
        count = int(self._folder.get(b"EXISTS", 0))
        if count <= _LISTED_AT_ONCE:
            # Some servers take the numbers in a UID SEARCH for UIDs; ALL all know.
            return self._searched(self._ages() or "ALL") if count else found
        # From the end: what is expunged meanwhile moves the rest towards the beginning.
        while count > 0:
            first = max(count - _LISTED_AT_ONCE + 1, 1)
            found |= self._searched(f"{first}:{count}", self._ages())
            count = first - 1
        return found

    def _ages(self) -> str:
        """A day is a zone wide here; `look` compares the moment."""
        if self.wanted.since is None:
            return ""
        day = f"SINCE {self.wanted.since - timedelta(days=1):%d-%b-%Y}"
        return f"OR {day} UID {self.floor}:*" if self.floor else day

    def _searched(self, *criteria: str) -> set[int]:
        words = " ".join(filter(None, criteria))
        return set(self._sure(lambda line: line.search(words)))

    def look(self, copies: Iterable[Copy], known: Container[str]) -> Iterator[Copy]:
        """Sizes and dates of what is new; none is read that is too large."""
        copies = list(copies)
        wanted = [int(copy.ref) for copy in copies if copy.ref not in known]
        facts = self._facts(wanted)
        self._ahead = deque(
            (uid, facts[uid][0])
            for uid in wanted
            if uid in facts and facts[uid][0] <= self.wanted.limit
        )
        for copy in copies:
            if copy.ref in known:
                yield copy
            elif (fact := facts.get(int(copy.ref))) is not None:
                yield Copy(copy.ref, fact[0], copy.place, modified=inf, lasting=True)

    def _facts(self, uids: Sequence[int]) -> dict[int, tuple[int, datetime | None]]:
        if not uids:
            return {}
        answer = self._sure(
            lambda line: line.fetch(uids, ["RFC822.SIZE", "INTERNALDATE"])
        )
        found: dict[int, tuple[int, datetime | None]] = {}
        for uid in uids:
            if (one := answer.get(uid)) is None:
                self._open.discard(uid)  # gone since it was listed
                continue
            size, came = one.get(b"RFC822.SIZE"), one.get(b"INTERNALDATE")
            if self._too_old(uid, came):
                self.skipped["older"] += 1
                self._settle(uid)
            else:
                found[uid] = (size if isinstance(size, int) else 0, came)
        return found

    def _too_old(self, uid: int, came: datetime | None) -> bool:
        since = self.wanted.since
        if since is None or (self.floor and uid >= self.floor):
            return False
        return isinstance(came, datetime) and came < since

    # --- The bytes -------------------------------------------------------------------

    def read(self, copy: Copy) -> bytes:
        """With some that follow, in one answer of bounded size."""
        uid = int(copy.ref)
        if uid not in self._fetched:
            self._fetch_ahead(uid)
        if uid in self._fetched:
            self._unfetchable = 0
            return self._fetched.pop(uid)
        try:
            return self._alone(uid)
        except GoneError:
            self._open.discard(uid)
            raise

    def _fetch_ahead(self, uid: int) -> None:
        self._fetched.clear()  # what nobody came for
        batch, size = self._batch(uid)
        if batch == [uid]:
            return
        try:
            answer = self._ask(
                lambda line: line.fetch(batch, ["BODY.PEEK[]"]), size=size
            )
        except (IMAPClientError, *_NONSENSE, SourceError):
            # Some mail in it: each alone tells which.
            self._hang_up()
            self._one_by_one = len(batch) - 1
            return
        for one in batch:
            content = answer.get(one, {}).get(_BODY)
            if isinstance(content, bytes):
                self._fetched[one] = content

    def _batch(self, uid: int) -> tuple[list[int], int]:
        batch: list[int] = []
        size = 0
        if self._one_by_one > 0:
            self._one_by_one -= 1
            return [uid], 0
        while self._ahead and self._ahead[0][0] < uid:
            self._ahead.popleft()
        while self._ahead and len(batch) < _BATCH_MAILS:
            one, length = self._ahead[0]
            if batch and size + length > _BATCH_BYTES:
                break
            self._ahead.popleft()
            batch.append(one)
            size += length
        # RFC822.SIZE is an estimate with some servers.
        return batch, size + size // 4

    def _alone(self, uid: int) -> bytes:
        """Twice, on a connection of its own: then it is the mail.

        Raises `GoneError`, `UnfetchableError`; `SourceError` when it is the server.
        """
        for last in (False, True):
            try:
                answer = self._ask(
                    lambda line: line.fetch([uid], ["BODY.PEEK[]"]),
                    size=self.wanted.limit,
                )
            except (IMAPClientError, *_NONSENSE, SourceError) as error:
                self._hang_up()
                if not last:
                    self._line()  # a server that is away says so here
                    continue
                reason = (
                    error.sentence if isinstance(error, SourceError) else said(error)
                )
                raise self._given_up(uid, reason) from error
            if uid not in answer:
                raise GoneError(uid)
            content = answer[uid].get(_BODY)
            if isinstance(content, bytes):
                self._unfetchable = 0
                return content
        raise self._given_up(uid, "NIL")

    def _given_up(self, uid: int, reason: str) -> SourceError:
        self._unfetchable += 1
        if self._unfetchable > _MOST_UNFETCHABLE:
            return OutageError(
                _("%(host)s hands over no mail (%(reason)s)."),
                host=self.server.host,
                reason=reason,
            )
        return UnfetchableError(
            _("Mail %(uid)d can't be fetched from %(host)s (%(reason)s)."),
            uid=uid,
            host=self.server.host,
            reason=reason,
        )

    def done(self, copy: Copy) -> None:
        """Nothing is written there: this is what the ledger is for."""
        self._settle(int(copy.ref))

    def _settle(self, uid: int) -> None:
        self._open.discard(uid)
        self._settled.add(uid)

    # --- Once it is stored -----------------------------------------------------------

    def mark_seen(self, uids: Sequence[int]) -> None:
        self._change(lambda line: line.add_flags(uids, [SEEN], silent=True))

    def move(self, uids: Sequence[int], folder: str) -> None:
        """A server without MOVE (RFC 6851) copies and deletes."""

        def act(line: Connection) -> None:
            if line.has_capability("MOVE"):
                line.move(uids, folder)
            else:
                line.copy(uids, folder)
                _delete(line, uids)

        self._change(act)

    def delete(self, uids: Sequence[int]) -> None:
        self._change(lambda line: _delete(line, uids))

    def _change(self, act: Callable[[Connection], Any]) -> None:
        """SELECT, for as long as it takes; what is gone is as good as done."""

        def selected(line: Connection) -> None:
            line.select_folder(self.server.folder)
            line.allow(SMALL_TALK)
            act(line)
            line.allow(SMALL_TALK)
            line.select_folder(self.server.folder, readonly=True)

        try:
            self._ask(selected, size=SMALL_TALK)
        except IMAPClientError as error:
            self._hang_up()
            raise SourceError(
                _(
                    "Mail is stored, but %(host)s did not let it be marked, moved or"
                    " deleted (%(reason)s). It is tried again."
                ),
                host=self.server.host,
                reason=said(error),
            ) from error

    # --- News ------------------------------------------------------------------------

    def wait(self, stop: threading.Event) -> None:
        """Until something may have come, or the round is over. Raises `SourceError`.

        A dead connection answers `idle_check` at once and with nothing; only leaving
        IDLE tells.
        """
        line = self._line()
        until = monotonic() + IDLE_SECONDS
        try:
            if not line.has_capability("IDLE"):
                stop.wait(_POLL_SECONDS)
                return
            line.allow()
            line.idle()
            while not stop.is_set() and (left := until - monotonic()) > 0:
                if line.waiting:
                    break
                asked, slice_ = monotonic(), min(left, 0.5)
                answers = line.idle_check(slice_)
                if any(b"EXISTS" in one or b"BYE" in one for one in answers):
                    break
                if not answers and monotonic() - asked < slice_ / 2:
                    break
            line.allow()
            line.idle_done()
        except (OSError, IMAPClientError, *_NONSENSE) as error:
            self._hang_up()
            raise broken(self.server, error) from error

    def changed(self, past: Past) -> bool:
        """Whether a pass is worth while. Raises `SourceError`."""
        self.begin(past)
        return self._signature() != self._listed_as

    def _signature(self) -> tuple[Any, ...]:
        names = (b"HIGHESTMODSEQ", b"UIDNEXT", b"EXISTS")
        return tuple(self._folder.get(name) for name in names)

    # --- The line --------------------------------------------------------------------

    def close(self) -> None:
        line, self._connection = self._connection, None
        if line is not None:
            with suppress(OSError, IMAPClientError):
                line.allow()
                line.logout()

    def _line(self) -> Connection:
        if self._connection is None:
            self._connection = self._dial()
            if self._folder:
                self._same_folder()
        return self._connection

    def _same_folder(self) -> None:
        """After a break; another folder by now means another pass."""
        again = self._examine()
        if again.get(b"UIDVALIDITY") != self._folder.get(b"UIDVALIDITY"):
            self._hang_up()
            raise OutageError(
                _("The folder %(folder)s was replaced while it was read."),
                folder=self.server.folder,
            )

    def _hang_up(self) -> None:
        line, self._connection = self._connection, None
        if line is not None:
            line.hang_up()

    def _ask(self, question: Callable[[Connection], Any], *, size: int = 0) -> Any:
        """One command. A NO, a BAD and nonsense pass; what broke is a `SourceError`."""
        line = self._line()
        line.allow(size)
        line.pulse_by(self.pulse)
        try:
            return question(line)
        except (OSError, imaplib.IMAP4.abort) as error:
            self._hang_up()
            raise broken(self.server, error) from error
        except IMAPClientError:
            raise
        except BaseException:
            # In the middle of an answer.
            self._hang_up()
            raise

    def _sure(self, question: Callable[[Connection], Any]) -> Any:
        """A question that every server answers."""
        try:
            return self._ask(question, size=SMALL_TALK)
        except (IMAPClientError, *_NONSENSE) as error:
            self._hang_up()
            raise OutageError(
                _("%(host)s does not understand us, or we not it (%(reason)s)."),
                host=self.server.host,
                reason=said(error),
            ) from error
