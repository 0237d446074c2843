"""From a configured source to the door that reads it."""

from django.utils.translation import gettext_noop as _

from threads.models import Source
from threads.sources.base import Door, SourceError
from threads.sources.maildir import Maildir


def open_door(source: Source) -> Door:
    """Raises `SourceError` when the place is not what the source says it is."""
    if source.kind == Source.Kind.MAILDIR:
        return Maildir(source.location)
    raise SourceError(
        _("%(source)s: this version reads Maildirs only. Make the source inactive."),
        permanent=True,
        source=source,
    )
