"""One process reads a source at a time; a dead one's lease is taken over."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic
from uuid import UUID, uuid4

from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from threads.mail.limits import clean_text
from threads.models import Source
from webhooks.leases import in_seconds
from webhooks.wording import kept

# With the time until another asks again, a minute at most until it takes over.
SECONDS = 50
ERROR_LENGTH = 2_000
ERRORS_KEPT = 20
_RENEW_AFTER = 15


class SourceBusyError(Exception):
    """Another process is reading the source."""


@dataclass(slots=True)
class Lease:
    source: Source
    token: UUID
    renewed: float

    def keep(self) -> None:
        """Between batches. Raises `SourceBusyError` when it was taken over."""
        if monotonic() - self.renewed < _RENEW_AFTER:
            return
        mine = Source.objects.filter(pk=self.source.pk, token=self.token)
        if not mine.update(leased_until=in_seconds(SECONDS)):
            raise SourceBusyError(
                _("%s was taken over by another process.") % self.source
            )
        self.renewed = monotonic()


def acquire(source: Source) -> Lease:
    """Raises `SourceBusyError`, naming who has it."""
    # Nobody can have one that ends later: it is from before the clock went back.
    unreal = Q(leased_until__gt=in_seconds(2 * SECONDS))
    free = Q(token=None) | Q(leased_until__lt=Now()) | unreal
    held = Source.objects.values_list("owner", "token").get(pk=source.pk)
    if held[1] is not None and _dead(held[0]):
        free |= Q(token=held[1])
    token = uuid4()
    taken = Source.objects.filter(free, pk=source.pk).update(
        owner=_myself(), token=token, leased_until=in_seconds(SECONDS)
    )
    if not taken:
        owner = Source.objects.values_list("owner", flat=True).get(pk=source.pk)
        raise SourceBusyError(
            _(
                "%(source)s is being read by another process (%(owner)s)."
                " Let it finish, or stop it, and try again."
            )
            % {"source": source, "owner": owner or held[0] or "–"}
        )
    source.token = token
    return Lease(source, token, monotonic())


def unshared(source: Source) -> Lease:
    """For one mail that is handed over: a claim's token, and nothing to be kept."""
    return Lease(source, uuid4(), inf)


def release(
    lease: Lease, *, errors: Sequence[str] | None = None, complete: bool = False
) -> None:
    """Give it back, and say how the pass went; None leaves what was said before."""
    source = lease.source
    said: dict[str, object] = {"owner": "", "token": None}
    if errors is not None:
        said["last_error"] = clean_text("\n".join(errors), ERROR_LENGTH)
        said["error_words"] = [kept(one) for one in errors[:ERRORS_KEPT]]
    if complete:
        said["last_pass_at"] = Now()
        if source.first_pass_at is None:
            said["first_pass_at"] = Now()
    Source.objects.filter(pk=source.pk, token=lease.token).update(
        leased_until=None, **said
    )


def _myself() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _dead(owner: str) -> bool:
    """Whether `owner` was a process of this very machine that is no more."""
    host, _, pid = owner.rpartition(":")
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
