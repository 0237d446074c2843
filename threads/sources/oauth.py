"""From a refresh token to an access token (RFC 6749, section 6)."""

import json
from dataclasses import dataclass

from threads.sources.base import LoginRefusedError, OutageError
from webhooks.wording import marked as _

SECONDS = 15
_LONGEST_ANSWER = 64 * 1024
_BAD_REQUEST, _FORBIDDEN = 400, 403


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    host: str
    token_url: str
    scope: str


# The names are the values of the form; `{tenant}` is the directory of an organisation.
PROVIDERS = {
    "microsoft": Provider(
        host="outlook.office365.com",
        token_url="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",  # noqa: S106
        scope="https://outlook.office.com/IMAP.AccessAsUser.All offline_access",
    ),
    "google": Provider(
        host="imap.gmail.com",
        token_url="https://oauth2.googleapis.com/token",  # noqa: S106 -- an address
        scope="https://mail.google.com/",
    ),
}


@dataclass(frozen=True, slots=True)
class Token:
    access: str
    seconds: float
    # Some providers replace the refresh token with each use; else empty.
    refresh: str = ""


def renew(
    *,
    token_url: str,
    client_id: str,
    client_secret: str,
    refresh_token: str,
    scope: str,
) -> Token:
    """Raises `LoginRefusedError` when the grant is gone, else `OutageError`."""
    import requests  # noqa: PLC0415 -- megabytes for the few sources that need it

    form = {
        "grant_type": "refresh_token",
        "client_id": client_id,
        "refresh_token": refresh_token,
        "client_secret": client_secret,
        "scope": scope,
    }
    form = {name: value for name, value in form.items() if value}
    with requests.Session() as session:
        session.trust_env = False
        try:
            with session.post(
                token_url,
                data=form,
                timeout=SECONDS,
                allow_redirects=False,
                stream=True,
            ) as answer:
                said = answer.raw.read(_LONGEST_ANSWER, decode_content=True)
                status = answer.status_code
        except (requests.RequestException, OSError) as error:
            raise _failed(token_url, type(error).__name__) from error
    answered = _understood(said)
    if _BAD_REQUEST <= status <= _FORBIDDEN:
        reason = str(answered.get("error") or status)
        raise LoginRefusedError(
            _(
                "%(url)s gives no access token (%(reason)s). The permission was taken"
                " back or has expired: enter a new refresh token."
            ),
            permanent=True,
            url=token_url,
            reason=reason[:200],
        )
    access = answered.get("access_token")
    if status != requests.codes.ok or not isinstance(access, str) or not access:
        raise _failed(token_url, str(status))
    seconds, refresh = answered.get("expires_in"), answered.get("refresh_token")
    return Token(
        access,
        float(seconds) if isinstance(seconds, int | float) else 300.0,
        refresh if isinstance(refresh, str) else "",
    )


def _understood(said: bytes) -> dict[str, object]:
    try:
        found = json.loads(said)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _failed(url: str, reason: str) -> OutageError:
    return OutageError(
        _("%(url)s could not be asked for an access token (%(reason)s)."),
        url=url,
        reason=reason,
    )
