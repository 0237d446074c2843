"""What the page of a thread shows: a bounded number of rows in as few statements."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import BooleanField, Case, Exists, OuterRef, Value, When
from django.db.models.functions import Left, Length

from threads.admin.history import Line, history
from threads.admin.letters import Letter, Piece, letter_of, pieces
from threads.house import House
from threads.models import Message, Note, Recipient, Tag, Team, Thread, User
from threads.recipients import Recipients, answered_message, reply_recipients

SHOWN = 50
# A mail that a person wrote is far shorter; the original has the rest.
TEXT_SHOWN = 30_000
_NAMES_SHOWN = 300
_FAILED = (Recipient.State.FAILED, Recipient.State.BOUNCED)


@dataclass(slots=True)
class Remark:
    """An internal note in the stream."""

    note: Note
    pieces: list[Piece]

    is_note = True

    @property
    def when(self) -> datetime:
        return self.note.created_at


@dataclass(slots=True, kw_only=True)
class Page:
    thread: Thread
    tags: list[str]
    other_tags: list[str]
    team: list[User]
    # Each by its key and its name.
    teams: list[tuple[int, str]]
    stream: list[Letter | Remark]
    # Older messages than these, and the cursor to them; "" on the newest page.
    earlier: int
    earlier_cursor: str
    on_older_page: bool
    reply_to: Recipients
    reply_all: Recipients
    history: list[Line]


def page_of(thread: Thread, before: str = "") -> Page:
    """The newest messages with the notes among them, or those before a message."""
    letters, earlier = _letters(thread, before)
    notes = _notes(thread, letters, whole=not earlier, newest=not before)
    entries: list[Letter | Remark] = [*letters, *notes]
    stream = sorted(entries, key=lambda entry: entry.when)
    teams, tags = _names(thread)
    team = list(User.objects.filter(is_active=True).order_by("first_name", "email"))
    answered = None if before else _answered(thread, letters, whole=not earlier)
    for letter in letters:
        # What is to be answered lies open, also under an automatic mail.
        letter.unfolded |= letter.message == answered
    reply_to = reply_all = Recipients(())
    if not before:
        house = House.with_team(thread.mailbox, [user.email for user in team])
        reply_to, reply_all = _recipients(thread, answered, house, letters)
    return Page(
        thread=thread,
        tags=[name for name, mine in tags if mine],
        other_tags=[name for name, mine in tags if not mine],
        team=team,
        teams=teams,
        stream=stream,
        earlier=earlier,
        earlier_cursor=letters[0].message.public_id if letters and earlier else "",
        on_older_page=bool(before),
        reply_to=reply_to,
        reply_all=reply_all,
        history=history(thread),
    )


def _names(thread: Thread) -> tuple[list[tuple[int, str]], list[tuple[str, bool]]]:
    """The teams there are, and the tags, its own first: one statement for both."""
    its_own = Thread.tags.through.objects.filter(thread=thread, tag=OuterRef("pk"))
    tags = Tag.objects.order_by().annotate(kind=Value("tag"), mine=Exists(its_own))
    teams = Team.objects.order_by().annotate(
        kind=Value("team"), mine=Value(value=False)
    )
    columns = ("kind", "mine", "name", "pk")
    both = tags.values_list(*columns).union(teams.values_list(*columns), all=True)
    found = list(both.order_by("-kind", "-mine", "name")[:_NAMES_SHOWN])
    return (
        [(pk, name) for kind, _mine, name, pk in found if kind == "team"],
        [(name, bool(mine)) for kind, mine, name, _pk in found if kind == "tag"],
    )


def _letters(thread: Thread, before: str) -> tuple[list[Letter], int]:
    """A page of messages, oldest first, and how many there are before them."""
    rows = Message.objects.filter(thread=thread)
    if before:
        rows = rows.filter(
            pk__lt=Message.objects.filter(public_id=before).values("pk")[:1]
        )
    refused = Recipient.objects.filter(message=OuterRef("pk"), state__in=_FAILED)
    found = list(
        rows.annotate(
            text=Left("body_text", TEXT_SHOWN),
            length=Length("body_text"),
            has_html=Case(
                When(body_html="", then=Value(value=False)),
                default=Value(value=True),
                output_field=BooleanField(),
            ),
            has_refused=Exists(refused),
        )
        .defer("body_text", "body_html")
        .select_related("author")
        .prefetch_related("attachment_set")
        .order_by("-pk")[: SHOWN + 1]
    )
    more = len(found) > SHOWN
    found = found[:SHOWN][::-1]
    letters = [letter_of(message, thread) for message in found]
    if letters:
        letters[-1].unfolded = True
        letters[0].first = not more
    _add_refused(letters)
    if not more:
        return letters, 0
    if not before:
        return letters, thread.message_count - len(letters)
    older = rows.filter(pk__lt=found[0].pk)
    return letters, older.count()


def _add_refused(letters: list[Letter]) -> None:
    wanted = {one.message.pk: one for one in letters if one.message.has_refused}
    if wanted:
        rows = Recipient.objects.filter(message__in=wanted, state__in=_FAILED)
        for recipient in rows[:SHOWN]:
            wanted[recipient.message_id].refused.append(recipient)


def _notes(
    thread: Thread, letters: list[Letter], *, whole: bool, newest: bool
) -> list[Remark]:
    notes = Note.objects.filter(thread=thread).select_related("author")
    if not whole and letters:
        notes = notes.filter(created_at__gte=letters[0].when)
    if not newest and letters:
        notes = notes.filter(created_at__lte=letters[-1].when)
    shown = notes.order_by("-pk")[:SHOWN]
    return [Remark(note, list(pieces(note.body))) for note in shown]


def _answered(thread: Thread, letters: list[Letter], *, whole: bool) -> Message | None:
    """The mail that a reply answers: nearly always one of those that are shown."""
    for letter in reversed(letters):
        message: Message = letter.message
        if (
            letter.inbound
            and not message.unverified_sender
            and not message.auto
            and message.bounce is None
        ):
            return message
    return None if whole else answered_message(thread)


def _recipients(
    thread: Thread, answered: Message | None, house: House, letters: list[Letter]
) -> tuple[Recipients, Recipients]:
    """Of a reply, and of a reply to all: what `outbound.reply` will do."""
    ours = [letter.message for letter in letters if not letter.inbound]
    written = ours[-1] if ours else None
    one, everybody = (
        reply_recipients(thread, answered, house, everybody=wide, written=written)
        for wide in (False, True)
    )
    return one, everybody
