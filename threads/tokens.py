"""Access tokens of sources that log in by OAuth: kept encrypted, renewed by one.

Whoever renews holds a lease; the others wait for what it writes down. No transaction
is open while the provider is asked.
"""

from time import monotonic, sleep, time

from threads.models import Source
from threads.sources import oauth
from threads.sources.base import OutageError
from webhooks.leases import Lease
from webhooks.wording import marked as _

# Renewed so long before it expires.
_EARLY_SECONDS = 120
_LEASE_SECONDS = 2 * oauth.SECONDS


def access_token(source: Source, *, refused: str = "") -> str:
    """One that should be good; not the one that was `refused`. Raises `OutageError`."""
    lease = Lease(f"oauth:{source.pk}", _LEASE_SECONDS)
    give_up = monotonic() + _LEASE_SECONDS
    while not (token := _stored(source, refused)):
        if lease.hold():
            try:
                return _stored(source, refused) or _renewed(source)
            finally:
                lease.give_back()
        if monotonic() > give_up:
            raise OutageError(_("Another process renews the access token too long."))
        sleep(0.1)
    return token


def _tokens(source: Source) -> dict[str, object]:
    fresh = Source.objects.only("tokens").filter(pk=source.pk).first()
    return dict((fresh.tokens if fresh else None) or {})


def _stored(source: Source, refused: str) -> str:
    tokens = _tokens(source)
    token, expires = str(tokens.get("access_token") or ""), tokens.get("expires_at")
    good = isinstance(expires, int | float) and expires - _EARLY_SECONDS > time()
    return token if good and token != refused else ""


def _renewed(source: Source) -> str:
    settings, tokens = source.settings, _tokens(source)
    refresh = str(tokens.get("refresh_token") or settings.get("refresh_token", ""))
    token = oauth.renew(
        token_url=settings.get("token_url", ""),
        client_id=settings.get("client_id", ""),
        client_secret=settings.get("client_secret", ""),
        refresh_token=refresh,
        scope=settings.get("scope", ""),
    )
    Source.objects.filter(pk=source.pk).update(
        tokens={
            "access_token": token.access,
            "expires_at": time() + token.seconds,
            "refresh_token": token.refresh or refresh,
        }
    )
    return token.access
