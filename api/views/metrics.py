"""The figures as Prometheus reads them (text exposition format 0.0.4)."""

import hmac
from collections.abc import Iterator, Mapping

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse

from threads import figures
from threads.figures import MINUTES, NEWEST, Figures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# What is left out of the answer when there is nothing to say.
_Value = float | None
_WITHIN = f"in the last {MINUTES} minutes"


def metrics(request: HttpRequest) -> HttpResponse:
    """For whoever has METRICS_TOKEN; without that setting there is no such page."""
    if not settings.METRICS_TOKEN:
        raise Http404
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
    if not hmac.compare_digest(given, settings.METRICS_TOKEN.encode()):
        return HttpResponse(
            "Send Authorization: Bearer METRICS_TOKEN.\n",
            status=401,
            content_type="text/plain; charset=utf-8",
            headers={"WWW-Authenticate": "Bearer"},
        )
    lines = "".join(f"{line}\n" for line in _lines(figures.now()))
    answer = HttpResponse(lines, content_type=CONTENT_TYPE)
    answer["Cache-Control"] = "no-store"
    return answer


def _lines(found: Figures) -> Iterator[str]:
    yield from _gauge(
        "due_oldest_age_seconds",
        "How long the oldest delivery that could be sent has been due.",
        {"": found.due_age or 0.0},
    )
    yield from _gauge(
        "deliveries", "Deliveries by state.", _labelled("state", found.states)
    )
    yield from _gauge(
        "deliveries_in_flight",
        "Deliveries that a worker has in hand, by webhook.",
        _labelled("webhook", found.in_flight),
    )
    yield from _gauge(
        "attempts_recent",
        f"Attempts {_WITHIN}, by class of answer or error.",
        _labelled("class", found.attempts),
    )
    yield from _gauge(
        "blocked_addresses_recent",
        f"Attempts {_WITHIN} that the address rules refused.",
        {"": found.blocked},
    )
    yield from _gauge(
        "mail_to_receiver_seconds",
        f"From a mail's arrival to the receiver's 2xx, {_WITHIN}.",
        _labelled("quantile", found.latency),
    )
    yield from _gauge(
        "mail_to_receiver_recent",
        f"How many mails {_WITHIN} those quantiles are of, at most 1000.",
        {"": found.told},
    )
    yield from _gauge(
        "lost_leases_recent",
        f"Leases lost by workers that died, of the newest {NEWEST} deliveries.",
        {"": found.lost_leases},
    )
    yield from _gauge(
        "drain_last_run_age_seconds",
        "Since when no drain has worked.",
        {"": found.drain_age},
    )
    yield from _gauge(
        "worker_last_seen_age_seconds",
        "Since when no worker has been seen.",
        {"": found.worker_age},
    )


def _labelled(
    name: str, values: Mapping[str, int] | Mapping[float, _Value]
) -> dict[str, _Value]:
    return {f'{{{name}="{key}"}}': value for key, value in values.items()}


def _gauge(name: str, words: str, values: Mapping[str, _Value]) -> Iterator[str]:
    yield f"# HELP mailbelly_{name} {words}"
    yield f"# TYPE mailbelly_{name} gauge"
    for label, value in values.items():
        if value is not None:
            yield f"mailbelly_{name}{label} {value:.10g}"
