"""Who asks: a key in the Authorization header, looked up by its digest."""

from datetime import timedelta

from django.db.models.functions import Now
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from api.models.key import ApiKey

_TOUCH_AFTER = timedelta(minutes=1)
_PARTS = 2


class BearerKey(BaseAuthentication):
    """RFC 6750. One statement; a second one once a minute, for "last used"."""

    def authenticate(self, request: Request) -> tuple[None, ApiKey] | None:
        parts = get_authorization_header(request).split()
        if not parts:
            return None
        if len(parts) != _PARTS or parts[0].lower() != b"bearer":
            raise AuthenticationFailed("Send the header Authorization: Bearer mb_….")
        plain = parts[1].decode("ascii", "replace")
        key = ApiKey.objects.asking(plain)
        if key is None:
            raise AuthenticationFailed("This key is unknown, revoked or expired.")
        _touch(key)
        return None, key

    def authenticate_header(self, request: Request) -> str:
        del request
        return "Bearer"


def _touch(key: ApiKey) -> None:
    if key.last_used_at is None or timezone.now() - key.last_used_at > _TOUCH_AFTER:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=Now())
