"""A POST that may be repeated: the first answer again, and no second effect."""

import re
from collections.abc import Callable
from hashlib import sha256

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from api.errors import Problem
from api.models import ApiKey, IdempotencyKey
from webhooks import faults
from webhooks.fields import decrypt, encrypt
from webhooks.leases import in_seconds

KEPT_SECONDS = 86_400
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_IN_FLIGHT_SECONDS = 60
_HEADERS = ("Location",)


def once(request: Request, body: bytes, act: Callable[[], Response]) -> HttpResponse:
    """Run `act` once for an Idempotency-Key (per key and route, for 24 hours).

    Its effect and its answer are committed together: whoever dies in between has
    done nothing, and after a minute the key may be used again.
    """
    given = request.headers.get("idempotency-key")
    key = request.auth
    if given is None or not isinstance(key, ApiKey):
        return act()
    if not _KEY.fullmatch(given):
        raise Problem(
            "invalid_idempotency_key",
            "An Idempotency-Key is 1 to 255 visible ASCII characters.",
            fix="Send a UUID.",
        )
    row, first = _begin(key, f"{request.method} {request.path}"[:200], given, body)
    if not first:
        return _again(row)
    try:
        with transaction.atomic():
            response = act()
            row.status = response.status_code
            row.headers = {n: response[n] for n in _HEADERS if response.has_header(n)}
            # It may hold a secret that is shown this once.
            row.body = encrypt(JSONRenderer().render(response.data).decode()).encode()
            row.save(update_fields=["status", "headers", "body"])
    except Exception:
        # Refused or failed: nothing was done, and the same key may try again. But a
        # COMMIT whose answer was lost has done it all, and the answer is in its row.
        IdempotencyKey.objects.filter(pk=row.pk, status=None).delete()
        raise
    faults.step("post.committed")
    return response


def _begin(
    key: ApiKey, route: str, given: str, body: bytes
) -> tuple[IdempotencyKey, bool]:
    fingerprint = sha256(body).hexdigest()
    known = IdempotencyKey.objects.filter(api_key=key, route=route, key=given)
    known.filter(
        Q(created_at__lt=in_seconds(-KEPT_SECONDS))
        | Q(status=None, created_at__lt=in_seconds(-_IN_FLIGHT_SECONDS))
    ).delete()
    try:
        with transaction.atomic():
            row = IdempotencyKey.objects.create(
                api_key=key, route=route, key=given, fingerprint=fingerprint
            )
    except IntegrityError:
        first = known.first()
        if first is None:  # it was refused just now: the key is free again
            return _begin(key, route, given, body)
        if first.fingerprint != fingerprint:
            raise Problem(
                "idempotency_key_reused",
                "This Idempotency-Key was used with another body.",
                http_status=422,
                fix="Use a new key for a new request.",
            ) from None
        return first, False
    return row, True


def _again(row: IdempotencyKey) -> HttpResponse:
    if row.status is None:
        raise Problem(
            "request_in_flight",
            "The first request with this Idempotency-Key is still running.",
            http_status=409,
            fix="Repeat it in a few seconds.",
            headers={"Retry-After": "1"},
        )
    response = HttpResponse(
        decrypt(bytes(row.body or b"").decode()),
        status=row.status,
        content_type="application/json",
    )
    for name, value in row.headers.items():
        response[name] = value
    response["Idempotent-Replayed"] = "true"
    return response
