"""What the OpenAPI document says of every route, and of the webhooks."""

from typing import Any

from django.conf import settings

from api.schemas import component, event_shapes
from api.shapes import SHAPES, ref
from webhooks.catalogue import EVENTS, TEST, sample

JSON = dict[str, Any]

_PROBLEM: JSON = {"application/problem+json": {"schema": ref("Problem")}}
_PROBLEMS = {
    "400": "JSON, a field or a parameter is wrong; `errors` names it.",
    "401": "No valid key.",
    "403": "The key lacks the scope.",
    "404": "No such object, or none that this key may see.",
    "429": "Too many requests; see Retry-After.",
    "503": "The database is out of reach, or no mail server is configured.",
}
_LIMITS: JSON = {
    name: {"description": text, "schema": {"type": "integer"}}
    for name, text in (
        ("RateLimit-Limit", "Requests a minute."),
        ("RateLimit-Remaining", "Left in this minute."),
        ("RateLimit-Reset", "Seconds until the next one."),
    )
}
_SIGNATURES: JSON = {
    "webhook-id": "The event's id, the same on every retry and replay.",
    "webhook-timestamp": "Unix seconds of this attempt.",
    "webhook-signature": "`v1,` and base64 HMAC-SHA256 of `id.timestamp.body`.",
    "X-MailBelly-Signature-256": "`sha256=` and hex HMAC-SHA256 of the body.",
}


def complete(result: JSON, generator: Any, request: Any, public: Any) -> JSON:
    """A hook of drf-spectacular: shapes, key, errors, limits and webhooks."""
    del generator, request, public
    components = result.setdefault("components", {})
    components.setdefault("schemas", {}).update({**SHAPES, **event_shapes()})
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "bearerFormat": "mb_…"}
    }
    result["security"] = [{"key": []}]
    result["servers"] = [{"url": settings.PUBLIC_URL}]
    for operations in result["paths"].values():
        for operation in operations.values():
            _complete_operation(operation)
    result["webhooks"] = {kind: _webhook(kind) for kind in (*EVENTS, TEST)}
    return result


def _complete_operation(operation: JSON) -> None:
    for status, answer in operation["responses"].items():
        if not answer.get("description"):
            answer["description"] = operation["description"]
        if status.startswith("2"):
            answer.setdefault("headers", {}).update(_LIMITS)
    for status, text in _PROBLEMS.items():
        problem = {"description": text, "content": _PROBLEM}
        operation["responses"].setdefault(status, problem)
    if "requestBody" in operation:
        operation["responses"].setdefault(
            "415", {"description": "Not application/json.", "content": _PROBLEM}
        )


def _webhook(kind: str) -> JSON:
    return {
        "post": {
            "summary": kind,
            "security": [],
            "parameters": [
                {
                    "in": "header",
                    "name": name,
                    "description": text,
                    "required": True,
                    "schema": {"type": "string"},
                }
                for name, text in _SIGNATURES.items()
            ],
            "requestBody": {
                "content": {
                    "application/json": {
                        "schema": ref(component(kind)),
                        "example": sample(kind),
                    }
                }
            },
            "responses": {"2XX": {"description": "Received."}},
        }
    }
