"""Whoever guesses passwords waits, each time longer; the person himself not for ever.

Wrong passwords are remembered for a day (AXES_COOLOFF_TIME) or until the right one. The
fifth for one name from one address locks that pair for a minute; when the minute is
over one more try is free, and a wrong one doubles the wait, up to an hour. Fifty from
one address, whatever the names, lock the address likewise. An unknown name locks just
as a known one: the answer tells nobody who works here.
"""

from datetime import datetime, timedelta
from math import ceil
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.db.models import Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

_ADDRESS_LIMIT = 50
_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=1)


class Handler(AxesDatabaseHandler):  # type: ignore[misc]
    """Axes counts and remembers; how long a lock holds is said here."""

    def is_locked(
        self, request: HttpRequest, credentials: dict[str, Any] | None = None
    ) -> bool:
        now: datetime = request.axes_attempt_time  # type: ignore[attr-defined]
        until = self.locked_until(request, credentials)
        return until is not None and now < until

    def locked_until(
        self, request: HttpRequest, credentials: dict[str, Any] | None = None
    ) -> datetime | None:
        """When the next try is free; None when it is so already."""
        pair = self.get_user_attempts(request, credentials)[0]
        now: datetime = request.axes_attempt_time  # type: ignore[attr-defined]
        address = AccessAttempt.objects.filter(
            ip_address=request.axes_ip_address,  # type: ignore[attr-defined]
            attempt_time__gte=now - settings.AXES_COOLOFF_TIME,
        )
        ends = (
            _ends(pair, settings.AXES_FAILURE_LIMIT),
            _ends(address, _ADDRESS_LIMIT),
        )
        return max((end for end in ends if end), default=None)


def wait(failures: int, limit: int) -> timedelta:
    """How long after the last of so many failures.

    >>> [str(wait(failures, 5)) for failures in (4, 5, 6, 7, 500)]
    ['0:00:00', '0:01:00', '0:02:00', '0:04:00', '1:00:00']
    """
    if failures < limit:
        return timedelta()
    doublings = min(failures - limit, 10)
    return min(_FIRST_WAIT * (1 << doublings), _LONGEST_WAIT)


def _ends(attempts: QuerySet[AccessAttempt], limit: int) -> datetime | None:
    found = attempts.aggregate(
        failures=Sum("failures_since_start"), last=Max("attempt_time")
    )
    if not found["failures"] or found["failures"] < limit:
        return None
    last: datetime = found["last"]
    return last + wait(found["failures"], limit)


def locked_page(
    request: HttpRequest,
    _response: HttpResponse | None = None,
    credentials: dict[str, Any] | None = None,
) -> HttpResponse:
    """The answer to a locked try, right password or not: 429 and when to come back."""
    until = Handler().locked_until(request, credentials)
    now: datetime = request.axes_attempt_time  # type: ignore[attr-defined]
    seconds = max(1, ceil((until - now).total_seconds())) if until else 1
    minutes = ceil(seconds / 60)
    said = ngettext(
        "Try again in %(minutes)d minute.", "Try again in %(minutes)d minutes.", minutes
    ) % {"minutes": minutes}
    context = {
        **admin.site.each_context(request),
        "title": _("Too many wrong attempts"),
        "said": said,
    }
    response = render(request, "admin/locked.html", context, status=429)
    response["Retry-After"] = str(seconds)
    return response
