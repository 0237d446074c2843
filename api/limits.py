"""How often a key may ask: a fixed window of a minute, counted in one statement."""

from django.db import connection

from api.errors import Problem
from api.models import ApiKey, RateWindow

_SECONDS = 60
_CLOCK = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS bigint)",
    "sqlite": "CAST(strftime('%%s', 'now') AS integer)",
}


def count(key: ApiKey) -> tuple[int, int]:
    """Count this request: `(requests this minute, seconds until the next one)`.

    The database's clock and one upsert, so that it holds over any number of processes.
    """
    table = RateWindow._meta.db_table  # noqa: SLF001 -- Django's public way to it
    clock = _CLOCK[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{table}" AS w (api_key_id, minute, count)'  # noqa: S608 -- our own names
            f" VALUES (%s, {clock} / {_SECONDS}, 1)"
            " ON CONFLICT (api_key_id) DO UPDATE SET"
            " count = CASE WHEN w.minute = excluded.minute THEN w.count + 1 ELSE 1 END,"
            " minute = excluded.minute"
            f" RETURNING count, {_SECONDS} - {clock} %% {_SECONDS}",
            [key.pk],
        )
        used, reset = cursor.fetchone()
    return int(used), int(reset)


def headers(key: ApiKey, used: int, reset: int) -> dict[str, str]:
    """On every answer to a key, under both usual names."""
    values = {
        "Limit": key.rate_limit,
        "Remaining": max(key.rate_limit - used, 0),
        "Reset": reset,
    }
    return {
        f"{prefix}RateLimit-{name}": str(value)
        for prefix in ("", "X-")
        for name, value in values.items()
    }


def refuse(key: ApiKey, used: int, reset: int) -> None:
    """Raises 429 with Retry-After when the minute is spent."""
    if used > key.rate_limit:
        raise Problem(
            "rate_limited",
            f"The key may ask {key.rate_limit} times a minute.",
            http_status=429,
            fix=f"Wait {reset} seconds, or raise the key's limit in the admin.",
            headers={"Retry-After": str(reset)},
        )
