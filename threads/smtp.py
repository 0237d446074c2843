"""Accepted mail goes out by SMTP, once, or says that it may have gone twice.

What is due is claimed by lease; `data_started` is committed before the final dot, so
that a death after it is known to leave doubt. The answers decide: 2xx sent, 4xx and
anything before the end of DATA again later, 5xx failed, no answer after it in doubt.
"""

import re
import smtplib
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

from django.conf import settings
from django.core.mail.backends.smtp import EmailBackend
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from threads import lifecycle
from threads.actors import SYSTEM
from threads.events import message_event
from threads.models import Message, Recipient, Thread
from threads.outbound import smtp_settings
from webhooks import faults
from webhooks.leases import in_seconds
from webhooks.outbox import publish

LEASE_SECONDS = 300
AT_ONCE = 20
# Seconds after each failed attempt: 1, 5, 15, 60 min, then every 2 h up to 48 h.
RETRY_SECONDS = (60, 300, 900, 3600, *(7200,) * 23)
_STARTED = 354
_REFUSED = 400
_PERMANENT = 500
_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)

Status = Message.Status


@dataclass(slots=True)
class Sent:
    """What the server said; `code` 0 when it said nothing."""

    status: str
    code: int = 0
    detail: str = ""
    # Address → (code, text) of recipients that the server refused.
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)


def send_due(limit: int = 1000) -> int:
    """Send what is due; says how many mails were tried."""
    _recover()
    tried = 0
    while tried < limit:
        message = _claim()
        if message is None:
            return tried
        faults.step("smtp.claimed")
        sent = _send(message)
        faults.step("smtp.accepted")
        _record(message, sent)
        tried += 1
    return tried


def _recover() -> None:
    """Leases that ran out: again, unless the mail may have left already."""
    lost = Message.objects.filter(status=Status.SENDING, claimed_until__lt=Now())
    lost.filter(data_started=False).update(
        status=Status.QUEUED, token=None, claimed_until=None, next_at=Now()
    )
    for message in lost.filter(data_started=True)[:AT_ONCE]:
        _record(
            message,
            Sent(Status.IN_DOUBT, detail="The sender died while the mail was sent."),
        )


def _claim() -> Message | None:
    skip = connection.features.has_select_for_update_skip_locked
    with transaction.atomic():
        message = (
            Message.objects.filter(status=Status.QUEUED, next_at__lte=Now())
            .select_for_update(skip_locked=skip, of=("self",) if skip else ())
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
    """One conversation with the server. Never raises for what the network does."""
    waiting = message.recipients.filter(state=Recipient.State.QUEUED)
    addresses = list(waiting.order_by("pk").values_list("address", flat=True))
    server = smtp_settings(message)
    if not server:
        return Sent(Status.QUEUED, detail="No SMTP server is configured.")
    backend = _backend(server)
    try:
        backend.open()
    except (OSError, smtplib.SMTPException) as error:
        return _failure(error)
    try:
        return _converse(cast("smtplib.SMTP", backend.connection), message, addresses)
    except (OSError, smtplib.SMTPException) as error:
        return _failure(error)
    finally:
        backend.close()


def _backend(server: dict[str, Any]) -> EmailBackend:
    return EmailBackend(
        host=server["host"],
        port=server.get("port") or 587,
        username=server.get("username") or "",
        password=server.get("password") or "",
        use_tls=server.get("tls") == "starttls",
        use_ssl=server.get("tls") == "ssl",
        timeout=settings.EMAIL_TIMEOUT,
        fail_silently=False,
    )


def _converse(server: smtplib.SMTP, message: Message, addresses: list[str]) -> Sent:
    """MAIL, RCPT, DATA (RFC 5321 section 3.3), knowing at each step what it means."""
    server.ehlo_or_helo_if_needed()
    code, text = server.mail(message.envelope_from)
    if code >= _REFUSED:
        return _answered(code, text)
    refused: dict[str, tuple[int, str]] = {}
    for address in addresses:
        code, text = server.rcpt(address)
        if code >= _REFUSED:
            refused[address] = (code, _plain(text))
    if len(refused) == len(addresses):
        return _all_refused(refused)
    answer = _transfer(server, message)
    answer.refused = refused
    return answer


def _all_refused(refused: dict[str, tuple[int, str]]) -> Sent:
    code, detail = min(refused.values(), default=(550, "There are no recipients."))
    # One that may be taken later is reason enough to try them all again.
    status = Status.FAILED if code >= _PERMANENT else Status.QUEUED
    return Sent(status, code, detail, refused)


def _transfer(server: smtplib.SMTP, message: Message) -> Sent:
    server.putcmd("data")
    code, text = server.getreply()
    if code != _STARTED:
        return _answered(code, text)
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
        code, text = server.getreply()
    except (OSError, smtplib.SMTPException) as error:
        return Sent(Status.IN_DOUBT, detail=f"No answer after the mail: {error}")
    return _answered(code, text)


def _answered(code: int, text: bytes) -> Sent:
    status = Status.SENT
    if code >= _PERMANENT:
        status = Status.FAILED
    elif code >= _REFUSED:
        status = Status.QUEUED
    return Sent(status, code, _plain(text))


def _failure(error: Exception) -> Sent:
    """Before the end of DATA nothing has left: again later, unless refused for good."""
    code = int(getattr(error, "smtp_code", 0) or 0)
    permanent = code >= _PERMANENT and not isinstance(
        error, smtplib.SMTPAuthenticationError
    )
    detail = str(getattr(error, "smtp_error", "") or error)
    return Sent(Status.FAILED if permanent else Status.QUEUED, code, detail[:500])


def _plain(text: bytes) -> str:
    return text.decode("utf-8", "replace").replace("\n", " ").replace("\x00", "")[:500]


# --- What became of it -----------------------------------------------------------


@transaction.atomic
def _record(message: Message, sent: Sent) -> None:
    """State, recipients and events; only while the lease is still ours."""
    thread = lifecycle.locked(message.thread_id)
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
