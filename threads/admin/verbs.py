"""What the buttons of a thread's page do: each reads its form and calls one verb.

A verb of this table answers with what to say to who pressed; it raises `RefusedError`.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from threads import joining, outbound
from threads.actors import Actor
from threads.errors import RefusedError
from threads.lifecycle import Changes, change
from threads.mail.compose import Enclosure
from threads.models import Message, Team, Thread, User
from threads.notes import add_note

Verb = Callable[[HttpRequest, Thread], str]
_ID = re.compile(r"(?<![a-z0-9])c[a-z0-9]{24}(?![a-z0-9])")
# No longer than a bigint.
_NUMBER = re.compile(r"[0-9]{1,18}")
_MORNING = 9
# Every zone can still show it.
_LAST = datetime(9999, 12, 31, tzinfo=UTC)


def person(request: HttpRequest) -> User:
    return cast("User", request.user)


def actor_of(request: HttpRequest) -> Actor:
    user = person(request)
    return Actor(type="user", id=user.email, name=user.get_full_name() or user.email)


def thread_named(text: str) -> Thread | None:
    """By its id, alone or within a pasted address of its page."""
    found = _ID.findall(text)
    return Thread.objects.filter(public_id=found[-1]).first() if found else None


def addresses(text: str) -> tuple[str, ...]:
    """As people write them in a line: with commas, semicolons or blanks, and names.

    What holds no address is refused: the reply would go to fewer than were meant, or to
    those who get it when nobody is named.
    """
    found: list[str] = []
    for part in re.split(r"[,;\n]", text):
        words = part.split()
        here = [word.strip("<>") for word in words if "@" in word]
        if words and not here:
            said = _("%s is not an e-mail address. Write it as you@example.com.")
            raise RefusedError("invalid", said % part.strip())
        found += here
    return tuple(found)


def _change(request: HttpRequest, thread: Thread, **wanted: Any) -> None:
    change(thread.pk, actor=actor_of(request), changes=Changes(**wanted))


def _close(request: HttpRequest, thread: Thread) -> str:
    _change(request, thread, status=Thread.Status.CLOSED)
    return _("The thread is closed.")


def _reopen(request: HttpRequest, thread: Thread) -> str:
    _change(request, thread, status=Thread.Status.OPEN)
    return _("The thread is open again.")


def _pending(request: HttpRequest, thread: Thread) -> str:
    _change(request, thread, status=Thread.Status.PENDING)
    return _("The thread is pending.")


def _spam(request: HttpRequest, thread: Thread) -> str:
    _change(request, thread, status=Thread.Status.SPAM)
    return _("The thread is marked as spam.")


def _assign(request: HttpRequest, thread: Thread) -> str:
    wanted = request.POST.get("user", "")
    user = person(request) if wanted == "me" else _colleague(wanted)
    _change(request, thread, assignee=user)
    if user is None:
        return _("The thread is unassigned.")
    return _("The thread is assigned to %(name)s.") % {"name": user}


def _team(request: HttpRequest, thread: Thread) -> str:
    wanted = request.POST.get("team", "")
    team = None
    if wanted:
        known = _number(wanted)
        team = Team.objects.filter(pk=known).first() if known else None
        if team is None:
            raise RefusedError(
                "unknown_team", _("There is no such team. Choose one of the list.")
            )
    _change(request, thread, team=team)
    if team is None:
        return _("The thread is no team's.")
    return _("The thread is for team %(name)s.") % {"name": team}


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None


def _colleague(wanted: str) -> User | None:
    """By his number in the list; nothing chosen is nobody."""
    if not wanted:
        return None
    known = _number(wanted)
    found = User.objects.filter(pk=known, is_active=True).first() if known else None
    if found is None:
        raise RefusedError(
            "unknown_user", _("There is no such team member. Choose one of the list.")
        )
    return found


def _tag(request: HttpRequest, thread: Thread) -> str:
    names = [name.strip() for name in request.POST.get("tag", "").split(",")]
    _change(request, thread, add_tags=[name for name in names if name])
    return _("The tags are saved.")


def _untag(request: HttpRequest, thread: Thread) -> str:
    _change(request, thread, remove_tags=[request.POST.get("tag", "")])
    return _("The tags are saved.")


def _priority(request: HttpRequest, thread: Thread) -> str:
    wanted = request.POST.get("priority", "")
    if wanted not in Thread.Priority.values:
        raise RefusedError("invalid", _("Choose one of the priorities."))
    _change(request, thread, priority=wanted)
    return _("The priority is saved.")


def _snooze(request: HttpRequest, thread: Thread) -> str:
    until = _until(request)
    _change(request, thread, snoozed_until=until)
    return _("The thread is snoozed.") if until else _("The thread is awake again.")


def _until(request: HttpRequest) -> datetime | None:
    """A shortcut, or a moment in the zone of this site; None ends the snooze."""
    days = {"tomorrow": 1, "days": 3, "week": 7}
    wanted = request.POST.get("for", "")
    if wanted in days:
        day = timezone.localtime() + timedelta(days=days[wanted])
        return day.replace(hour=_MORNING, minute=0, second=0, microsecond=0)
    if wanted != "until":
        return None
    try:
        found = _moment(request.POST.get("until", ""))
    except (ValueError, OverflowError):
        found = None
    if found is None or not timezone.now() < found < _LAST:
        raise RefusedError("invalid", _("Choose a moment in the future."))
    return found


def _moment(text: str) -> datetime | None:
    found = parse_datetime(text)
    if found is not None and timezone.is_naive(found):
        found = timezone.make_aware(found)
    return found and found.astimezone(UTC)


def _merge(request: HttpRequest, thread: Thread) -> str:
    into = thread_named(request.POST.get("into", ""))
    if into is None:
        raise RefusedError(
            "unknown_thread",
            _("There is no such thread. Paste the address of its page, or its id."),
        )
    joining.merge(thread.pk, into.pk, actor=actor_of(request), author=person(request))
    return _("The threads are merged; this is the one that stays.")


def _note(request: HttpRequest, thread: Thread) -> str:
    add_note(
        thread.pk,
        request.POST.get("note", ""),
        actor=actor_of(request),
        author=person(request),
    )
    return _("The note is saved; it is not mailed.")


def _reply(request: HttpRequest, thread: Thread) -> str:
    body = request.POST.get("body", "")
    if not body.strip():
        raise RefusedError("empty_reply", _("The reply is empty. Write it first."))
    close = request.POST.get("send") == "close"
    files = request.FILES.getlist("files")
    outbound.refuse_too_much(len(files), sum(file.size or 0 for file in files))
    message = outbound.reply(
        thread.pk,
        outbound.Reply(
            body=body,
            to=addresses(request.POST.get("to", "")),
            cc=addresses(request.POST.get("cc", "")),
            bcc=addresses(request.POST.get("bcc", "")),
            reply_all=request.POST.get("reply_all") == "1",
            close=close,
            attachments=[
                Enclosure(
                    filename=file.name or "",
                    content_type=file.content_type or "",
                    content=file.read(),
                )
                for file in files
            ],
        ),
        actor=actor_of(request),
        author=person(request),
        via=Message.Via.ADMIN,
        once=request.POST.get("once", "")[:64],
        seen=_number(request.POST.get("seen", "")),
    )
    if message.status == Message.Status.STORED:
        return _("No mail server is configured: the reply was written to a file.")
    if close:
        return _("The reply is on its way, and the thread is closed.")
    return _("The reply is on its way.")


VERBS: dict[str, Verb] = {
    "close": _close,
    "reopen": _reopen,
    "pending": _pending,
    "spam": _spam,
    "not-spam": _reopen,
    "assign": _assign,
    "team": _team,
    "tag": _tag,
    "untag": _untag,
    "priority": _priority,
    "snooze": _snooze,
    "merge": _merge,
    "note": _note,
    "reply": _reply,
}
# What somebody has typed comes back with the refusal.
TYPED = frozenset({"reply", "note"})
