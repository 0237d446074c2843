"""Where mail is stored: each in the mailbox it is for, or else in quarantine.

A batch is one transaction; when that fails, each mail is one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import OperationalError

from threads import errors, quarantine
from threads.arrival import Incoming, LostClaimError, store
from threads.house import House
from threads.models import IngestRecord, Mailbox, Source
from threads.routing import Router, recipients
from threads.tally import Tally
from webhooks.wording import Sentence
from webhooks.wording import marked as _

# The database's trouble and no mail's.
OUT_OF_REACH = (*errors.OUT_OF_REACH, LostClaimError)
# In the same guise PostgreSQL's classes 54 (a statement that is too much for it) and XX
# (a bug of its own) are a mail's.
_TOO_MUCH = ("54", "XX")
_DEADLOCK = "40P01"
_DEADLOCK_TRIES = 3
_RECIPIENTS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Desk:
    """A mailbox, and who is who there."""

    mailbox: Mailbox
    house: House

    @classmethod
    def of(cls, mailbox: Mailbox) -> "_Desk":
        return cls(mailbox, House.of(mailbox))


class Desks:
    """Of one pass over a source; `token` is its claim of what it stores."""

    def __init__(self, source: Source, *, token: UUID, tally: Tally) -> None:
        self.source = source
        self.token = token
        self.tally = tally
        # Of a source that serves several mailboxes.
        self._router = Router.now() if source.by_recipient else None
        # By the mailbox's primary key.
        self._desks = {source.mailbox_id: _Desk.of(source.mailbox)}

    def store(self, batch: Sequence[Incoming]) -> None:
        """Each in the mailbox it is for. Raises what `OUT_OF_REACH` names."""
        if self._router is None:
            self._store(self._desks[self.source.mailbox_id], batch)
            return
        by_mailbox: dict[int, list[Incoming]] = {}
        for incoming in batch:
            mailbox = self._router.addressee(incoming.mail, self.source)
            if mailbox is None:
                self.set_aside(incoming.record, _nobody(incoming))
                continue
            if mailbox.pk not in self._desks:
                self._desks[mailbox.pk] = _Desk.of(mailbox)
            by_mailbox.setdefault(mailbox.pk, []).append(incoming)
        for pk, group in sorted(by_mailbox.items()):
            self._store(self._desks[pk], group)

    def set_aside(self, record: IngestRecord, reason: str) -> None:
        """Into quarantine, unless another process has the mail by now."""
        if quarantine.put(record, reason, token=self.token):
            self.tally.quarantined += 1
            self.tally.errors.append(
                Sentence(
                    _("%(ref)s is in quarantine: %(reason)s"),
                    ref=record.ref,
                    reason=quarantine.last_line(reason),
                )
            )

    def _store(self, desk: _Desk, batch: Sequence[Incoming]) -> None:
        """All in one, or one by one; what can't be stored is set aside."""
        try:
            self._commit(desk, batch)
        except Exception as error:
            too_much = _sqlstate(error).startswith(_TOO_MUCH)
            if isinstance(error, OUT_OF_REACH) and not too_much:
                raise
            if len(batch) == 1:
                self.set_aside(batch[0].record, quarantine.reason_of(error))
                return
            for incoming in batch:
                self._store(desk, [incoming])

    def _commit(self, desk: _Desk, batch: Sequence[Incoming]) -> None:
        for tries_left in reversed(range(_DEADLOCK_TRIES)):
            try:
                stored = store(desk.mailbox, batch, house=desk.house, token=self.token)
            except OperationalError as error:
                if not (_sqlstate(error) == _DEADLOCK and tries_left):
                    raise
            else:
                self.tally.stored += stored.messages
                self.tally.duplicates += stored.duplicates
                return


def _nobody(incoming: Incoming) -> str:
    named = ", ".join(recipients(incoming.mail)[:_RECIPIENTS_SHOWN])
    return Sentence(
        _(
            "no_mailbox: none of its recipients (%(recipients)s) is a mailbox or an"
            " alias here. Create it, or make a mailbox the catch-all, and try again."
        ),
        recipients=named or "–",
    )


def _sqlstate(error: BaseException) -> str:
    return getattr(error.__cause__, "sqlstate", "") or ""
