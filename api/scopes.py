"""What a key may do: each view names a scope for each of its methods."""

from typing import Any

from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from api.models import ApiKey

# "Any key": /me, /openapi.json and the like.
ANY = ""


class HasScope(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        key = request.auth
        if not isinstance(key, ApiKey):
            raise NotAuthenticated
        scopes: dict[str, str] = view.scopes
        method = "GET" if request.method == "HEAD" else str(request.method)
        require(key, scopes.get(method, ANY))
        return True


def require(key: ApiKey, scope: str) -> None:
    """Raises 403 naming the scope."""
    if scope != ANY and scope not in key.scopes:
        raise PermissionDenied(f"The key lacks the scope {scope}.")
