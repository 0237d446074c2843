"""What the team writes down beside the mail: internal, never sent."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from threads import lifecycle
from threads.actors import Actor
from threads.errors import RefusedError
from threads.events import newest_inbound, thread_event
from threads.mail.limits import clean_text
from threads.models import Note, User
from threads.serializers import note_json
from webhooks.outbox import publish

LONGEST = 100_000


@transaction.atomic
def add_note(
    thread_pk: int, body: str, *, actor: Actor, author: User | None = None
) -> Note:
    """Write an internal note. Raises `RefusedError` with empty_note or note_too_long.

    Its event, `thread.updated`, says that there is one, not what it says: a webhook
    may be somebody else's.
    """
    text = clean_text(body).strip()
    if not text:
        raise RefusedError(
            "empty_note", _("A note says something."), fix=_("Write it."), field="body"
        )
    if len(text) > LONGEST:
        raise RefusedError(
            "note_too_long",
            _("A note has at most %d characters.") % LONGEST,
            fix=_("Write several."),
            field="body",
        )
    thread = lifecycle.locked(thread_pk)
    note = Note.objects.create(
        mailbox=thread.mailbox,
        thread=thread,
        body=text,
        author=author,
        actor=actor.json(),
        created_at=timezone.now(),
    )
    said = note_json(note)
    said.pop("body")
    thread.updated_at = timezone.now()
    event = thread_event(
        "thread.updated",
        thread,
        actor=actor,
        newest_inbound=newest_inbound(thread),
        changes={"note": {"old": None, "new": said}},
    )
    thread.save(update_fields=["sequence", "updated_at"])
    publish([event])
    return note
