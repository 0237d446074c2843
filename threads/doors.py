"""From a configured source to the door that reads it."""

from django.utils.translation import gettext_noop as _

from threads.mail.limits import clean_text
from threads.models import Source
from threads.sources.base import Door, SourceError
from threads.sources.maildir import Maildir
from webhooks.wording import kept

_LONGEST = 2_000


def open_door(source: Source) -> Door:
    """Raises `SourceError` when the place is not what the source says it is."""
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
