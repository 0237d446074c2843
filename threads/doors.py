"""From a source to the door that reads it; and the sources that nobody configured."""

from django.db.models.functions import Now
from django.utils.translation import gettext_noop as _

from threads.mail.limits import clean_text
from threads.models import Mailbox, Source
from threads.sources.base import Door, SourceError
from threads.sources.handed import Shut
from threads.sources.maildir import Maildir
from webhooks.wording import kept

_LONGEST = 2_000


def open_door(source: Source) -> Door:
    """Raises `SourceError` when the place is not what the source says it is."""
    if source.handed_over:
        return Shut()
    if source.kind == Source.Kind.MAILDIR:
        return Maildir(source.location)
    raise SourceError(
        _("%(source)s: this version reads Maildirs only. Make the source inactive."),
        permanent=True,
        source=source,
    )


def enter(source: Source) -> Door:
    """As `open_door`, to take mail in: a refusal also stands in the source's own row.

    Until a pass goes well; the staff site and the dashboard show it.
    """
    try:
        return open_door(source)
    except SourceError as error:
        Source.objects.filter(pk=source.pk).update(
            last_error=clean_text(str(error), _LONGEST),
            error_words=[kept(error.sentence)],
        )
        raise


def source_for(
    mailbox: Mailbox | None, kind: str, location: str = "", *, make: bool = True
) -> Source:
    """Where the ledger keeps what comes by a command or an MTA.

    One for each mailbox, kind and place. Without a mailbox, each mail goes to the one
    that it was delivered to; then the source's own, the first catch-all or the oldest
    of all, hears of trouble. Unless `make`, it may be one without a row.
    """
    if mailbox is None:
        several = Source.objects.filter(
            kind=kind, location=f"{location} *".strip(), by_recipient=True
        )
        if found := several.select_related("mailbox").order_by("pk").first():
            return found
        mailbox = Mailbox.objects.order_by("-catch_all", "pk").first()
        if mailbox is None:
            raise SourceError(
                _(
                    "There is no mailbox yet. Create one in the admin, or with:"
                    " manage.py create_mailbox ADDRESS"
                )
            )
        location, by_recipient = f"{location} *".strip(), True
    else:
        by_recipient = False
    key = {"mailbox": mailbox, "kind": kind, "location": location}
    source = Source(**key, active=False, by_recipient=by_recipient)
    defaults: dict[str, object] = {"active": False, "by_recipient": by_recipient}
    if source.handed_over:
        # Active: a pass finishes what a death left. What comes now is no history.
        defaults |= {"active": True, "first_pass_at": Now()}
    if make:
        return Source.objects.get_or_create(**key, defaults=defaults)[0]
    return Source.objects.filter(**key).select_related("mailbox").first() or source
