"""Accepted mail goes out by SMTP, once, or says that it may have gone twice.

What is due is claimed by lease; `data_started` is committed before the final dot, so
that a death after it is known to leave doubt. The answers decide: 2xx sent, 4xx and
anything before the end of DATA again later, 5xx failed, no answer after it in doubt.
"""

import contextlib
import logging
import re
import smtplib
from collections.abc import Collection
from dataclasses import dataclass, field
from time import monotonic
from typing import cast
from uuid import uuid4

from django.conf import settings
from django.core.mail.backends.smtp import EmailBackend
from django.db import DatabaseError, transaction
from django.db.models import F
from django.db.models.functions import Now

from threads import lifecycle
from threads.actors import SYSTEM
from threads.events import message_event
from threads.mailserver import SEND_DUE, server_of
from threads.models import Message, Recipient, Thread
from threads.networks import check_host
from webhooks import bell, faults, stopping
from webhooks.fields import UnreadableSecretError
from webhooks.leases import in_seconds
from webhooks.outbox import publish
from webhooks.wording import Sentence, kept
from webhooks.wording import marked as _

log = logging.getLogger(__name__)

LEASE_SECONDS = 300
AT_ONCE = 20
# Seconds after each failed attempt: 1, 5, 15, 60 min, then every 2 h up to 48 h.
RETRY_SECONDS = (60, 300, 900, 3600, *(7200,) * 23)
# A task of the cluster may take so long; then it rings for the next one.
BUDGET_SECONDS = 45
CONNECT_SECONDS = 10
QUIT_SECONDS = 2
# Deaths of a sender that cost a mail nothing; after that it waits its turn.
FREE_DEATHS = 2
_OK, _FURTHER = 200, 300
_STARTED = 354
_TEMPORARY = 400
_PERMANENT = 500
_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)

Status = Message.Status
_DIED = Sentence(_("The sender died while it was sent."))
_NOBODY = Sentence(_("There are no recipients."))


@dataclass(slots=True)
class Sent:
    """What the server said; `code` 0 when it said nothing."""

    status: str
    code: int = 0
    detail: str = ""
    # Address → (code, text) of recipients that the server refused.
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    # Nobody answered there: the others for that server need not wait for it too.
    unreachable: bool = False


@dataclass(slots=True)
class Tally:
    tried: int = 0
    sent: int = 0
    # A line for each that did not leave.
    troubles: list[str] = field(default_factory=list)


def send_due(budget_seconds: float = BUDGET_SECONDS) -> Tally:
    """Send what is due, until nothing is or the budget is spent."""
    deadline = monotonic() + budget_seconds
    tally = Tally()
    unreachable: set[int] = set()
    _recover()
    while monotonic() < deadline and not stopping.asked():
        message = _claim(unreachable)
        if message is None:
            return tally
        faults.step("smtp.claimed")
        sent = _send(message)
        tally.tried += 1
        if sent.status == Status.SENT:
            tally.sent += 1
        else:
            tally.troubles.append(
                f"{message.public_id}: {sent.code or ''} {sent.detail}"
            )
        if sent.unreachable:
            unreachable.add(message.mailbox_id)
    bell.ring(SEND_DUE)
    return tally


def overdue(seconds: float) -> bool:
    """Whether a reply has been due for so long."""
    late = in_seconds(-seconds)
    return Message.objects.filter(status=Status.QUEUED, next_at__lte=late).exists()


def _recover() -> None:
    """Leases that ran out: again, unless the mail may have left already."""
    lost = Message.objects.filter(status=Status.SENDING, claimed_until__lt=Now())
    lost.filter(data_started=False, attempts__lte=FREE_DEATHS).update(
        status=Status.QUEUED, token=None, claimed_until=None, next_at=Now()
    )
    for message in lost[:AT_ONCE]:
        status = Status.IN_DOUBT if message.data_started else Status.QUEUED
        _record(message, Sent(status, detail=_DIED))


@transaction.atomic
def _claim(unreachable: Collection[int]) -> Message | None:
    message = (
        Message.objects.filter(status=Status.QUEUED, next_at__lte=Now())
        .exclude(mailbox__in=unreachable)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("mailbox", "original")
        .order_by("next_at", "id")
        .first()
    )
    if message is None:
        return None
    message.token = uuid4()
    Message.objects.filter(pk=message.pk).update(
        status=Status.SENDING,
        token=message.token,
        claimed_until=in_seconds(LEASE_SECONDS),
        data_started=False,
        attempts=F("attempts") + 1,
    )
    message.attempts += 1
    return message


def _send(message: Message) -> Sent:
    """One conversation with the server, recorded. Never raises for what goes wrong."""
    waiting = message.recipients.filter(state=Recipient.State.QUEUED)
    addresses = list(waiting.order_by("pk").values_list("address", flat=True))
    backend: EmailBackend | None = None
    try:
        backend = _connected(message)
        sent = _converse(cast("smtplib.SMTP", backend.connection), message, addresses)
    except _UnreachableError as error:
        sent = Sent(Status.QUEUED, detail=error.detail, unreachable=True)
    except (OSError, smtplib.SMTPException) as error:
        sent = _failure(error)
    except DatabaseError:
        raise
    except Exception as error:
        # A mail of a kind nobody thought of may not hold up those behind it.
        log.exception("A reply could not be sent: %s", message.public_id)
        sent = Sent(Status.QUEUED, detail=f"{type(error).__name__}: {error}"[:500])
    faults.step("smtp.accepted")
    _record(message, sent)
    faults.step("smtp.recorded")
    if backend is not None:
        _quit(backend)
    return sent


class _UnreachableError(Exception):
    """No server, or none that would talk to us."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def _connected(message: Message) -> EmailBackend:
    try:
        server = server_of(message.mailbox)
    except UnreadableSecretError as error:
        raise _UnreachableError(str(error)) from error
    if not server:
        raise _UnreachableError(Sentence(_("No SMTP server is configured.")))
    port = server.get("port") or 587
    backend = EmailBackend(
        host=server["host"],
        port=port,
        username=server.get("username") or "",
        password=server.get("password") or "",
        use_tls=server.get("tls") == "starttls",
        use_ssl=server.get("tls") == "ssl",
        timeout=CONNECT_SECONDS,
        fail_silently=False,
    )
    try:
        check_host(server["host"], port)
        backend.open()
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        # Also a wrong password, or one that SMTP can't carry: a matter for the
        # operator, and no reason to give the mail up.
        detail = getattr(error, "smtp_error", b"") or str(error)
        raise _UnreachableError(_plain(detail)) from error
    sock = cast("smtplib.SMTP", backend.connection).sock
    if sock is not None:
        sock.settimeout(settings.EMAIL_TIMEOUT)
    return backend


def _quit(backend: EmailBackend) -> None:
    """The mail is recorded; a server that is slow to part may not keep us."""
    sock = cast("smtplib.SMTP", backend.connection).sock
    if sock is not None:
        sock.settimeout(QUIT_SECONDS)
    with contextlib.suppress(OSError, smtplib.SMTPException):
        backend.close()


def _converse(server: smtplib.SMTP, message: Message, addresses: list[str]) -> Sent:
    """MAIL, RCPT, DATA (RFC 5321 section 3.3), knowing at each step what it means."""
    server.ehlo_or_helo_if_needed()
    code, text = server.mail(message.envelope_from)
    if not _OK <= code < _FURTHER:
        return _refused(code, text)
    refused: dict[str, tuple[int, str]] = {}
    for address in addresses:
        try:
            code, text = server.rcpt(address)
        except UnicodeError:
            code, text = 553, b"This address needs a server with SMTPUTF8."
        if not _OK <= code < _FURTHER:
            refused[address] = (code, _plain(text))
    faults.step("smtp.recipients")
    if len(refused) == len(addresses):
        return _all_refused(refused)
    answer = _transfer(server, message)
    answer.refused = refused
    return answer


def _all_refused(refused: dict[str, tuple[int, str]]) -> Sent:
    code, detail = min(refused.values(), default=(550, _NOBODY))
    # One that may be taken later is reason enough to try them all again.
    status = Status.FAILED if code >= _PERMANENT else Status.QUEUED
    return Sent(status, code, detail, refused)


def _transfer(server: smtplib.SMTP, message: Message) -> Sent:
    server.putcmd("data")
    code, text = server.getreply()
    if code != _STARTED:
        return _refused(code, text)
    content = bytes(message.original.content) if message.original else b""
    # Dot-stuffing (RFC 5321 section 4.5.2); frozen mail ends its lines with CRLF.
    server.send(_LEADING_DOT.sub(b"..", content))
    # Committed before the dot: from here on a death means doubt, not a second mail.
    mine = Message.objects.filter(pk=message.pk, token=message.token)
    if not mine.update(data_started=True, claimed_until=in_seconds(LEASE_SECONDS)):
        raise smtplib.SMTPException("the lease was lost")
    faults.step("smtp.data_started")
    try:
        server.send(b".\r\n")
        faults.step("smtp.dotted")
        code, text = server.getreply()
    except (OSError, smtplib.SMTPException) as error:
        return Sent(Status.IN_DOUBT, detail=_no_answer(str(error)))
    if _OK <= code < _FURTHER:
        return Sent(Status.SENT, code, _plain(text))
    if code < _TEMPORARY:
        return Sent(Status.IN_DOUBT, max(code, 0), _no_answer(_plain(text)))
    return _refused(code, text)


def _no_answer(said: str) -> Sentence:
    return Sentence(_("No answer after the mail: %(said)s"), said=said[:400])


def _refused(code: int, text: bytes) -> Sent:
    """Nothing has left: for good with a 5xx, else again later."""
    status = Status.FAILED if code >= _PERMANENT else Status.QUEUED
    return Sent(status, max(code, 0), _plain(text))


def _failure(error: Exception) -> Sent:
    """The conversation broke off before the end of DATA: nothing has left."""
    code = int(getattr(error, "smtp_code", 0) or 0)
    detail = getattr(error, "smtp_error", b"") or str(error)
    status = Status.FAILED if code >= _PERMANENT else Status.QUEUED
    return Sent(status, code, _plain(detail))


def _plain(text: bytes | str) -> str:
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return text.replace("\n", " ").replace("\x00", "")[:500]


# --- What became of it -----------------------------------------------------------


@transaction.atomic
def _record(message: Message, sent: Sent) -> None:
    """State, recipients and events; only while the lease is still ours."""
    thread = lifecycle.locked_with(message.pk)
    mine = Message.objects.select_for_update().filter(
        pk=message.pk, token=message.token, status=Status.SENDING
    )
    if not mine.exists():
        return
    status, delay = sent.status, None
    if status == Status.QUEUED:
        if message.attempts > len(RETRY_SECONDS):
            status = Status.FAILED
        else:
            delay = in_seconds(RETRY_SECONDS[message.attempts - 1])
    _record_recipients(message, status, sent)
    mine.update(
        status=status,
        token=None,
        claimed_until=None,
        next_at=delay,
        error_code="" if status == Status.SENT else str(sent.code or "connection"),
        error_detail="" if status == Status.SENT else sent.detail[:500],
        error_words=[] if status == Status.SENT else [kept(sent.detail)],
    )
    if status != Status.QUEUED:
        _tell(message, thread, status, sent)


def _record_recipients(message: Message, status: str, sent: Sent) -> None:
    state = Recipient.State
    waiting = message.recipients.filter(state=state.QUEUED)
    if status in {Status.SENT, Status.FAILED}:
        for address, (code, text) in sent.refused.items():
            waiting.filter(address=address).update(
                state=state.FAILED, detail=f"{code} {text}"[:500]
            )
        waiting.update(state=state.SENT if status == Status.SENT else state.FAILED)


_EVENTS = {
    Status.SENT: "message.sent",
    Status.FAILED: "message.failed",
    Status.IN_DOUBT: "message.in_doubt",
}


def _tell(message: Message, thread: Thread, status: str, sent: Sent) -> None:
    fresh = Message.objects.with_relations().get(pk=message.pk)
    fresh.thread = thread
    error = None
    if status != Status.SENT:
        error = {"code": str(sent.code or "connection"), "detail": sent.detail}
    events = [message_event(_EVENTS[Status(status)], fresh, actor=SYSTEM, error=error)]
    closed = thread.status == Thread.Status.CLOSED
    if status == Status.FAILED and message.closes and closed:
        # It was closed because it was answered; it was not.
        reopen = lifecycle.Changes(status=Thread.Status.OPEN)
        events += lifecycle.apply(thread, reopen, SYSTEM)
    thread.save(update_fields=["sequence"])
    publish(events)
