"""Plain words for what the codes of this room mean."""

from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from webhooks import pace
from webhooks.claims import LOST_LEASES
from webhooks.models import Attempt, Delivery, Webhook

# The four that nearly everybody wants come first, and stand open.
FIRST_EVENTS = (
    "message.received",
    "thread.created",
    "thread.closed",
    "thread.assigned",
)
EVENTS = {
    "message.received": _("New message received"),
    "thread.created": _("New thread created"),
    "thread.closed": _("Thread closed"),
    "thread.assigned": _("Thread assigned"),
    "thread.reopened": _("Thread reopened"),
    "thread.unassigned": _("Assignment removed"),
    "thread.updated": _("Thread changed: tags, priority, subject, snooze or spam"),
    "thread.merged": _("Threads merged"),
    "thread.split": _("Thread split"),
    "thread.deleted": _("Thread deleted"),
    "message.sent": _("Reply sent"),
    "message.failed": _("Reply failed"),
    "message.in_doubt": _("Not certain whether the reply was sent"),
    "message.bounced": _("Reply could not be delivered"),
    "mail.quarantined": _("Mail put in quarantine"),
    "message.oversize": _("Mail too large to take in"),
    "mailbox.error": _("Mailbox can't be read"),
    "mailbox.recovered": _("Mailbox can be read again"),
    "mailbox.reset": _("Mailbox was reset by its server"),
    "webhook.disabled": _("Webhook switched off"),
    "webhook.test": _("Test event"),
}
_ERRORS = {
    "timeout": _("The receiver did not answer in time."),
    "dns_error": _("The name of the receiver could not be found."),
    "connect_error": _("Nothing answered at the address of the receiver."),
    "tls_error": _("The secure connection failed: its certificate is not accepted."),
    "connection_closed": _("The receiver closed the connection without an answer."),
    "incomplete_answer": _("The receiver's answer broke off."),
    "address_refused": _(
        "The address is not allowed. WEBHOOK_ALLOWED_NETWORKS would allow it."
    ),
    "invalid_request": _("The URL or a header of this webhook can't be sent."),
    "invalid_settings": _("The stored settings of this webhook can't be used."),
    "internal_error": _("MailBelly itself failed; its log says how."),
}
_STATUSES = {
    401: _("The receiver wants other credentials (401)."),
    403: _("The receiver does not allow it (403)."),
    404: _("The receiver knows no such address (404). Is the URL right?"),
    405: _("The receiver takes no POST at this address (405)."),
    410: _("The receiver wants nothing any more (410); the webhook was switched off."),
    413: _("The event is too large for the receiver (413)."),
    429: _("The receiver asks for fewer requests (429)."),
}
_STATUS_GROUPS = {
    3: _("The receiver points elsewhere (%s); redirects are never followed."),
    4: _("The receiver refused it (%s)."),
    5: _("The receiver has trouble of its own (%s)."),
}


def of_event(kind: str) -> str:
    return str(EVENTS.get(kind, kind))


def of_attempt(attempt: Attempt) -> str:
    """What became of it, in a sentence."""
    status = attempt.status
    if not attempt.error:
        return gettext("Delivered.")
    if attempt.error in _ERRORS:
        return str(_ERRORS[attempt.error])
    if status in _STATUSES:
        return str(_STATUSES[status])
    group = _STATUS_GROUPS.get((status or 0) // 100)
    return str(group) % status if group else attempt.error


def why_not_delivered(
    delivery: Delivery, last: Attempt | None, before: Delivery | None
) -> str:
    """The question that everybody asks of a delivery, answered; `""` once it is.

    `last` is its newest attempt, `before` what `pace.before` says.
    """
    tried = of_attempt(last) + " " if last else ""
    match delivery.state:
        case Delivery.State.SUCCEEDED:
            answer = ""
        case Delivery.State.CANCELLED:
            answer = str(_CANCELLED[delivery.webhook.deleted_at is not None])
        case Delivery.State.EXHAUSTED if delivery.lost_leases >= LOST_LEASES:
            answer = _lost(delivery)
        case Delivery.State.EXHAUSTED:
            answer = tried + _given_up(delivery)
        case Delivery.State.HELD:
            answer = str(_HELD[Webhook.State(delivery.webhook.state)])
        case Delivery.State.PENDING if rests(delivery.webhook):
            answer = tried + gettext("The receiver asked to be left alone for a while.")
        case Delivery.State.PENDING if before is not None:
            answer = gettext(
                "It waits for the delivery before it (%s): this webhook is told one"
                " event after the other."
            )
            answer %= before.public_id
        case Delivery.State.PENDING if pace.limits(delivery):
            answer = gettext(
                "It waits its turn: the webhook takes at most %d a second."
            )
            answer %= delivery.webhook.rate_limit
        case Delivery.State.CLAIMED:
            answer = gettext("It is being sent at this moment.")
        case _ if last is None:
            answer = gettext("It waits for its first attempt. Is a worker running?")
        case _:
            answer = tried + gettext("It is tried again by itself.")
    return answer


_CANCELLED = {
    True: _("The webhook was deleted before it could be delivered."),
    False: _(
        "The webhook no longer hears this event: its mailboxes or domains were changed."
    ),
}
_HELD = {
    Webhook.State.OFF: _("The webhook is switched off. Enable it to deliver this."),
    Webhook.State.PAUSED: _("The webhook is paused. Enable it to deliver this."),
    Webhook.State.ACTIVE: _("It is held. Enable the webhook again to deliver it."),
}


def rests(webhook: Webhook) -> bool:
    """The receiver wants, or needs, to be left alone."""
    until = webhook.breaker_until
    return until is not None and until > timezone.now()


def _lost(delivery: Delivery) -> str:
    """Not the receiver's doing: no answer ever came back from our own process."""
    killed = ngettext(
        "The worker was killed %d time while it sent this; it is not tried any more.",
        "The worker was killed %d times while it sent this; it is not tried any more.",
        delivery.lost_leases,
    )
    return killed % delivery.lost_leases


def _given_up(delivery: Delivery) -> str:
    if not delivery.attempts:
        return gettext("It was given up by hand before its first attempt.")
    given_up = ngettext(
        "After %d attempt it is not tried any more.",
        "All %d attempts failed; it is not tried any more.",
        delivery.attempts,
    )
    return given_up % delivery.attempts
