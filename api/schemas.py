"""What each event looks like, as JSON Schema 2020-12: served, and in the document.

One shape for each type of event, made of the components; the tests hold real bodies
to them.
"""

from typing import Any

from django.conf import settings

from api.shapes import SHAPES, ref
from webhooks.catalogue import EVENTS, TEST, changes_of, is_of_operators

JSON = dict[str, Any]

_COMPONENTS = "#/components/schemas/"
_CHANGE: JSON = {
    "type": "object",
    "properties": {"old": {}, "new": {}},
    "required": ["old", "new"],
}
# A webhook without `include_body` gets no text of a message.
_TEXTS = {"signature_text", "reply_text"}
_FAILED = ("message.failed", "message.in_doubt", "webhook.disabled")


def component(kind: str) -> str:
    """The name of its shape in the document.

    >>> component("message.in_doubt")
    'MessageInDoubtEvent'
    """
    words = kind.replace("_", ".").split(".")
    return "".join(word.capitalize() for word in words) + "Event"


def event_shapes() -> dict[str, JSON]:
    """By component: each type of event, and the message as events carry it."""
    return {component(kind): _shape(kind) for kind in (*EVENTS, TEST)} | {
        "EventMessage": _message()
    }


def schema(kind: str) -> JSON:
    """One document that needs no other: its components are in `$defs`."""
    known = {**SHAPES, **event_shapes()}
    shape = known[component(kind)]
    defs: dict[str, JSON] = {}
    todo = _refs(shape)
    while todo:
        name = todo.pop()
        if name not in defs:
            defs[name] = known[name]
            todo |= _refs(known[name])
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{settings.PUBLIC_URL}/api/v1/schemas/{kind}.json",
        "title": kind,
        **shape,
        "$defs": dict(sorted(defs.items())),
    }
    moved: JSON = _moved(whole)
    return moved


def _shape(kind: str) -> JSON:
    """Required is what every event of the kind has; more may come."""
    common = SHAPES["Event"]
    fields = {**common["properties"], "event": {"const": kind}}
    required = [*common["required"], "actor"]
    if is_of_operators(kind):
        fields |= {"thread_id": {"const": ""}, "sequence": {"const": 0}}
        for name in ("thread", "message", "changes"):
            del fields[name]
    else:
        fields["message"] = ref("EventMessage")
        required.append("thread")
        if kind.startswith("message."):
            required.append("message")
    if changed := changes_of(kind):
        fields["changes"] = _changes(kind, changed)
        required.append("changes")
    if kind in _FAILED:
        required.append("error")
    return {"type": "object", "properties": fields, "required": required}


def _changes(kind: str, names: list[str]) -> JSON:
    """Of `thread.updated` any of them, of the others these very ones."""
    found: JSON = {"type": "object", "additionalProperties": _CHANGE}
    if kind == "thread.updated":
        return {**found, "minProperties": 1}
    return {
        **found,
        "properties": dict.fromkeys(names, _CHANGE),
        "required": names,
    }


def _message() -> JSON:
    told = SHAPES["ToldMessage"]
    return {
        **told,
        "properties": {**told["properties"], "reply_text": {"type": "string"}},
        "required": [name for name in told["required"] if name not in _TEXTS],
    }


def _refs(shape: Any) -> set[str]:
    if isinstance(shape, dict):
        named = {shape["$ref"].removeprefix(_COMPONENTS)} if "$ref" in shape else set()
        return named.union(*(_refs(value) for value in shape.values()))
    if isinstance(shape, list):
        return set().union(*(_refs(value) for value in shape))
    return set()


def _moved(shape: Any) -> Any:
    """The same with its references within the document itself."""
    if isinstance(shape, dict):
        return {
            name: value.replace(_COMPONENTS, "#/$defs/")
            if name == "$ref"
            else _moved(value)
            for name, value in shape.items()
        }
    if isinstance(shape, list):
        return [_moved(value) for value in shape]
    return shape
