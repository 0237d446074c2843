"""Threads made one, or two, by hand; what staff decided is remembered.

A link or a cut is kept between two messages. Mail that arrives later follows it: it
finds merged threads as one, and joins one side only of what was split.
"""

from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from threads import lifecycle
from threads.actors import Actor
from threads.errors import RefusedError
from threads.events import newest_inbound, thread_event
from threads.house import House
from threads.mail.addresses import normalise
from threads.matching import lent
from threads.models import Customer, Mailbox, Message, Thread, ThreadLink, User
from threads.place import Place, move_rows
from threads.serializers import LIST_LIMIT
from webhooks.outbox import publish

Kind = ThreadLink.Kind
_HEADERS = (
    "pk",
    "public_id",
    "direction",
    "sender",
    "addresses",
    "authentication",
    "unverified_sender",
)


@transaction.atomic
def merge(
    thread_pk: int, into_pk: int, *, actor: Actor, author: User | None = None
) -> Thread:
    """Put a thread's messages and notes into another, which stays and is returned.

    What has been merged already stays as it is. Raises `RefusedError` with
    same_thread or other_mailbox.
    """
    if thread_pk == into_pk:
        raise RefusedError(
            "same_thread",
            _("A thread can't be merged into itself."),
            fix=_("Name another thread."),
            field="into",
        )
    thread, into = _locked_pair(thread_pk, into_pk)
    if thread.pk == into.pk:
        return into
    told = list(into.merged_ids)
    _remember_link(thread, into, author)
    loser, survivor = _place(thread), _place(into)
    newest = max(thread, into, key=lambda one: one.last_message_id or 0)
    last_message, last_at = newest.last_message, newest.last_message_at
    survivor.absorb(loser)
    _save_merged(thread, into)
    into.last_message, into.last_message_at = last_message, last_at
    into.updated_at = timezone.now()
    into.tags.add(*thread.tags.all())
    event = thread_event(
        "thread.merged",
        into,
        actor=actor,
        newest_inbound=newest_inbound(into),
        changes={"merged_ids": {"old": told, "new": into.merged_ids}},
        tags=survivor.tags,
    )
    into.save()
    publish([event])
    return into


@transaction.atomic
def split(message_pk: int, *, actor: Actor, author: User | None = None) -> Thread:
    """Give a message, and what came after it, a thread of its own; the new thread.

    Notes stay. The event `thread.split` is the old thread's, whose `changes` name the
    new one. Raises `RefusedError` with nothing_to_split for a thread's first message.
    """
    mailbox_pk = Message.objects.values_list("mailbox", flat=True).get(pk=message_pk)
    Mailbox.objects.select_for_update(no_key=True).get(pk=mailbox_pk)
    message = Message.objects.get(pk=message_pk)
    old = lifecycle.locked(message.thread_id)
    whole = list(Message.objects.filter(thread=old).order_by("pk").only(*_HEADERS))
    stays = [one for one in whole if one.pk < message.pk]
    moves = [one for one in whole if one.pk >= message.pk]
    if not stays:
        raise RefusedError(
            "nothing_to_split",
            _("This is the first message of its thread; nothing would stay behind."),
            fix=_("Split from a later message."),
        )
    house = House.of(old.mailbox)
    new = _begin(old, message, moves, house)
    Message.objects.filter(pk__in=[one.pk for one in moves]).update(thread=new)
    _recount(old, stays, house)
    old.related = [*old.related, new.public_id]
    old.save()
    _recount(new, moves, house)
    new.related = [old.public_id]
    new.save()
    _remember_cut(old, new, stays[0], message, author)
    ids = [one.public_id for one in moves][:LIST_LIMIT]
    event = thread_event(
        "thread.split",
        old,
        actor=actor,
        newest_inbound=newest_inbound(old),
        changes={
            "split_into": {"old": None, "new": new.public_id},
            "moved_messages": {"old": [], "new": ids},
        },
    )
    old.save(update_fields=["sequence"])
    publish([event])
    return new


# --- Merging --------------------------------------------------------------------


def _locked_pair(thread_pk: int, into_pk: int) -> tuple[Thread, Thread]:
    """Both survivors, locked in the order of `arrival`: mailbox, then threads by id."""
    known = Thread.objects.in_bulk([thread_pk, into_pk])
    mailboxes = {thread.mailbox_id for thread in known.values()}
    if len(mailboxes) > 1:
        raise RefusedError(
            "other_mailbox",
            _("The threads belong to two mailboxes."),
            fix=_("Merge threads of one mailbox."),
            field="into",
        )
    Mailbox.objects.select_for_update(no_key=True).get(pk=mailboxes.pop())
    # Nobody merges them now: merging begins with the lock that we hold.
    standing = [_survivor(thread_pk), _survivor(into_pk)]
    locked = {pk: lifecycle.locked(pk) for pk in sorted(set(standing))}
    return locked[standing[0]], locked[standing[1]]


def _survivor(thread_pk: int) -> int:
    found = Thread.objects.values_list("merged_into", flat=True).get(pk=thread_pk)
    return found or thread_pk


def _place(thread: Thread) -> Place:
    return Place(thread=thread, tags={tag.name for tag in thread.tags.all()})


def _save_merged(thread: Thread, into: Thread) -> None:
    thread.merged_into = into
    thread.updated_at = timezone.now()
    thread.save()
    move_rows(thread, into)
    if thread.customer is not None:
        Customer.objects.filter(pk=thread.customer.pk, thread_count__gt=0).update(
            thread_count=F("thread_count") - 1
        )
        if into.customer == thread.customer:
            into.customer.refresh_from_db()  # its event says how many


def _remember_link(thread: Thread, into: Thread, author: User | None) -> None:
    """The newest decision counts: what was split before may be one again."""
    ThreadLink.objects.cuts_between([thread.pk], [into.pk]).delete()
    first = Message.objects.filter(thread=thread).earliest("pk")
    stays = Message.objects.filter(thread=into).earliest("pk")
    _remember(stays, first, Kind.LINK, author)


def _remember(a: Message, b: Message, kind: str, author: User | None) -> None:
    ThreadLink.objects.get_or_create(
        a=a, b=b, kind=kind, defaults={"mailbox_id": b.mailbox_id, "by": author}
    )


# --- Splitting ------------------------------------------------------------------


def _begin(
    old: Thread, message: Message, moves: Sequence[Message], house: House
) -> Thread:
    """The new thread begins as the old one is, with the moved mail's own subject."""
    new = Thread.objects.create(
        mailbox=old.mailbox,
        subject=message.subject or old.subject,
        status=old.status,
        closed_at=old.closed_at,
        priority=old.priority,
        assignee=old.assignee,
        team=old.team,
        customer=_customer(old, moves, house),
        created_at=timezone.now(),
        updated_at=timezone.now(),
    )
    new.tags.set(old.tags.all())
    return new


def _customer(old: Thread, moves: Sequence[Message], house: House) -> Customer | None:
    """The first outsider who writes in the new thread, else the old one's customer."""
    outsiders = [
        message.sender
        for message in moves
        if message.direction == Message.Direction.INBOUND
        and not message.unverified_sender
        and message.sender not in house.ours
    ]
    found = old.customer
    if outsiders:
        known = Customer.objects.filter(domain=old.mailbox.domain)
        found = known.filter(address=outsiders[0]).first() or found
    if found is not None:
        found.thread_count += 1
        Customer.objects.filter(pk=found.pk).update(thread_count=F("thread_count") + 1)
    return found


def _recount(thread: Thread, messages: Sequence[Message], house: House) -> None:
    """Counters and people of a thread that has just these messages."""
    newest = Message.objects.get(pk=messages[-1].pk)
    thread.message_count = len(messages)
    thread.last_message = newest
    thread.last_message_at = newest.created_at
    thread.updated_at = timezone.now()
    thread.participants = []
    place = Place(thread=thread)
    if thread.customer is not None:
        customer = thread.customer
        place.welcome([{"address": customer.address, "name": customer.name}])
    for message in messages:
        place.welcome(_people(message, house))


def _people(message: Message, house: House) -> Iterable[dict[str, str]]:
    """Whom a message brings into its thread (design: participants)."""
    people = message.addresses
    if message.direction == Message.Direction.OUTBOUND:
        return [*people.get("to", []), *people.get("cc", [])]
    if message.unverified_sender:
        return []

    def plain(kind: str) -> list[str]:
        return [house.plain(person["address"]) for person in people.get(kind, [])]

    lends = lent(
        sender=message.sender,
        to=plain("to"),
        cc=plain("cc"),
        reply_to=plain("reply_to"),
        authentication=message.authentication,
        ours=house.own,
    )
    everyone = [
        person
        for kind in ("from", "reply_to", "to", "cc")
        for person in people.get(kind, [])
    ]
    return [one for one in everyone if normalise(one["address"]) in lends]


def _remember_cut(
    old: Thread,
    new: Thread,
    stays: Message,
    message: Message,
    author: User | None,
) -> None:
    """The two sides, and whatever the old thread had been split from before."""
    _remember(stays, message, Kind.CUT, author)
    earlier = ThreadLink.objects.filter(kind=Kind.CUT).select_related("a", "b")
    sides = {old.pk, new.pk}
    for cut in earlier.filter(a__thread__in=sides).exclude(b__thread__in=sides):
        _remember(cut.b, stays, Kind.CUT, author)
        _remember(cut.b, message, Kind.CUT, author)
    for cut in earlier.filter(b__thread__in=sides).exclude(a__thread__in=sides):
        _remember(cut.a, stays, Kind.CUT, author)
        _remember(cut.a, message, Kind.CUT, author)
