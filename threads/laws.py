"""The conservation laws of a healthy installation, as questions to the database.

Each law yields what breaks it, in sentences; a healthy database yields nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db.models import Count, Exists, F, Max, OuterRef, Q

from threads.models import IngestRecord, Message, Original, Recipient, Thread
from webhooks.leases import in_seconds
from webhooks.models import Delivery, Event, EventBody

_HOUR = 3600
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Law:
    name: str
    broken: Callable[[], Iterator[str]]
    # An index answers, however much mail there is.
    quick: bool = False


def _stored_before_done() -> Iterator[str]:
    state = IngestRecord.State
    lost = IngestRecord.objects.filter(
        Q(state__in=[state.DONE, state.DUPLICATE], message=None)
        | Q(
            state__in=[state.SEEN, state.DONE, state.DUPLICATE, state.QUARANTINED],
            original=None,
        )
    )
    for record in lost[:_SHOWN]:
        yield f"ledger {record.pk} ({record.ref}) is {record.state} without its mail"


def _nothing_left_between_the_commits() -> Iterator[str]:
    stuck = IngestRecord.objects.filter(
        state=IngestRecord.State.SEEN, received_at__lt=in_seconds(-_HOUR)
    )
    for record in stuck[:_SHOWN]:
        yield f"ledger {record.pk} ({record.ref}) waits since {record.received_at}"


def _every_message_is_told() -> Iterator[str]:
    # Whose body is gone went with its message; whose texts were erased did not.
    body = EventBody.objects.filter(event=OuterRef("pk"))
    told = Event.objects.filter(
        Q(erased_at=None) | Exists(body),
        type__in=["message.received", "message.bounced"],
        position__isnull=False,
    ).count()
    inbound = Message.objects.filter(direction=Message.Direction.INBOUND).count()
    if told != inbound:
        yield f"{inbound} inbound messages, but {told} events tell of one"


def _the_log_has_no_gap() -> Iterator[str]:
    log = Event.objects.filter(position__isnull=False)
    found = log.aggregate(last=Max("position"), count=Count("pk"))
    if (found["last"] or 0) != found["count"]:
        yield f"{found['count']} events, but the last position is {found['last']}"


def _every_event_has_its_body() -> Iterator[str]:
    for event in Event.objects.filter(bodies=None, erased_at=None)[:_SHOWN]:
        yield f"event {event.public_id} has no body"


def _sequences_are_whole() -> Iterator[str]:
    counts = dict(
        Event.objects.exclude(thread="")
        .filter(position__isnull=False)
        .values("thread")
        .annotate(last=Max("sequence"), count=Count("pk"))
        .exclude(last=F("count"))
        .values_list("thread", "last")[:_SHOWN]
    )
    for thread, last in counts.items():
        yield f"thread {thread} has a gap below its event {last}"


def _threads_count_their_messages() -> Iterator[str]:
    wrong = (
        Thread.objects.filter(deleted_at=None)
        .annotate(real=Count("messages"), newest=Max("messages__pk"))
        .exclude(
            Q(message_count=F("real"))
            & (Q(last_message=F("newest")) | Q(last_message=None, newest=None))
        )
    )
    for thread in wrong[:_SHOWN]:
        yield f"thread {thread.public_id} miscounts its messages"


def _merged_threads_are_empty() -> Iterator[str]:
    full = Thread.objects.filter(merged_into__isnull=False).filter(
        Q(messages__isnull=False) | Q(merged_into__merged_into__isnull=False)
    )
    for thread in full.distinct()[:_SHOWN]:
        yield f"merged thread {thread.public_id} is not empty, or points astray"


def _deliveries_account_for_their_attempts() -> Iterator[str]:
    wrong = Delivery.objects.annotate(rows=Count("attempt_set")).exclude(
        attempts=F("rows") + F("lost_leases")
    )
    for delivery in wrong[:_SHOWN]:
        yield f"delivery {delivery.public_id} miscounts its attempts"


def _no_lease_is_forgotten() -> Iterator[str]:
    long_ago = in_seconds(-_HOUR)
    for delivery in Delivery.objects.filter(
        state=Delivery.State.CLAIMED, claimed_until__lt=long_ago
    )[:_SHOWN]:
        yield f"delivery {delivery.public_id} is claimed since long; is a worker up?"
    for message in Message.objects.filter(
        status=Message.Status.SENDING, claimed_until__lt=long_ago
    )[:_SHOWN]:
        yield f"message {message.public_id} is being sent since long"


def _sent_mail_has_no_open_recipient() -> Iterator[str]:
    open_ones = Recipient.objects.filter(
        state=Recipient.State.QUEUED, message__status=Message.Status.SENT
    )
    for recipient in open_ones.select_related("message")[:_SHOWN]:
        yield f"message {recipient.message.public_id} forgot {recipient.address}"


def _no_original_is_orphaned() -> Iterator[str]:
    orphans = Original.objects.filter(
        records=None, messages=None, created_at__lt=in_seconds(-24 * _HOUR)
    ).defer("content")
    for original in orphans[:_SHOWN]:
        yield f"original {original.sha256[:12]} belongs to nothing"


def _clocks_agree() -> Iterator[str]:
    """Leases live on the database's clock; a row from its future says it jumped."""
    ahead = Message.objects.filter(created_at__gt=in_seconds(_HOUR)).count()
    if ahead:
        yield f"{ahead} messages are from the database's future"


LAWS = (
    Law("stored before done", _stored_before_done),
    Law(
        "nothing left between the commits",
        _nothing_left_between_the_commits,
        quick=True,
    ),
    Law("every message is told", _every_message_is_told),
    Law("the event log has no gap", _the_log_has_no_gap, quick=True),
    Law("every event has its body", _every_event_has_its_body),
    Law("sequences are whole", _sequences_are_whole),
    Law("threads count their messages", _threads_count_their_messages),
    Law("merged threads are empty", _merged_threads_are_empty),
    Law("deliveries account for attempts", _deliveries_account_for_their_attempts),
    Law("no lease is forgotten", _no_lease_is_forgotten, quick=True),
    Law("sent mail reached everybody", _sent_mail_has_no_open_recipient),
    Law("no original is orphaned", _no_original_is_orphaned),
    Law("clocks agree", _clocks_agree),
)
