"""What is said between a parser and who asks it; a `ParsedMail` as plain JSON.

The sender has read hostile bytes and may be anybody's by now. So nothing that could
run code is accepted, and a value of another type than the field's is an error.
"""

import json
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from threads.mail.parsed import Address, ParsedAttachment, ParsedMail

# Asked: seconds of CPU, length of the trusted ids (one a line), length of the mail.
REQUEST = struct.Struct("!III")
# Answered: what it is, and its length.
ANSWER = struct.Struct("!cI")
READY, PARSED, RAISED, TOO_BIG = b"r", b"p", b"x", b"m"
# The last answer of one that has grown: it ends after it.
LAST = {PARSED: b"P", RAISED: b"X", TOO_BIG: b"M"}

_SPANS = {"reply", "quoted", "signature"}
_BOUNCE = {"message_id", "recipients", "recipient", "action", "status"}
_COMPLAINT = {"message_id", "type", "recipient", "agent"}
_RECIPIENT = {"address", "original", "action", "status", "detail"}
_ATTACHMENT = {
    "part": int,
    "filename": str,
    "content_type": str,
    "size": int,
    "inline": bool,
    "content_id": str,
    "sha256": str,
}


def packed(mail: ParsedMail) -> bytes:
    """Everything that `unpacked` needs to make the same value."""
    fields = {name: getattr(mail, name) for name in _READERS}
    return json.dumps(fields, default=_plain, ensure_ascii=False).encode()


def unpacked(data: bytes) -> ParsedMail:
    """Raises `ValueError` for what `packed` can't have written."""
    try:
        fields = _mapping(json.loads(data), set(_READERS))
    except RecursionError as error:
        raise ValueError("nested deeper than any mail of ours") from error
    return ParsedMail(**{name: read(fields[name]) for name, read in _READERS.items()})


def _plain(value: object) -> object:
    match value:
        case Address():
            return [value.address, value.name]
        case ParsedAttachment():
            return {name: getattr(value, name) for name in _ATTACHMENT}
        case datetime():
            return value.timestamp()
    raise TypeError(f"{type(value).__name__} is no part of a mail")


# --- Reading, strictly ---------------------------------------------------------------


def _exactly(kind: type) -> Callable[[object], Any]:
    def read(value: object) -> Any:
        if type(value) is not kind:  # a bool is no int here
            raise ValueError(f"expected {kind.__name__}, got {type(value).__name__}")
        return value

    return read


_text = _exactly(str)
_number = _exactly(int)
_list = _exactly(list)


def _mapping(value: object, keys: set[str]) -> dict[str, Any]:
    found: dict[str, Any] = _exactly(dict)(value)
    if found.keys() != keys:
        raise ValueError("other fields than a mail has")
    return found


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_text(one) for one in _list(value))


def _people(value: object) -> tuple[Address, ...]:
    return tuple(Address(*_pair(one, _text)) for one in _list(value))


def _pair(value: object, read: Callable[[object], Any]) -> tuple[Any, Any]:
    first, second = _list(value)
    return read(first), read(second)


def _attachments(value: object) -> tuple[ParsedAttachment, ...]:
    found = (_mapping(one, set(_ATTACHMENT)) for one in _list(value))
    return tuple(
        ParsedAttachment(**{n: _exactly(k)(one[n]) for n, k in _ATTACHMENT.items()})
        for one in found
    )


def _spans(value: object) -> dict[str, list[list[int]]]:
    return {
        name: [list(_pair(span, _number)) for span in _list(spans)]
        for name, spans in _mapping(value, _SPANS).items()
    }


def _bounce(value: object) -> dict[str, Any] | None:
    if value is None:
        return None
    found = _mapping(value, _BOUNCE)
    recipients = [_said(one, _RECIPIENT) for one in _list(found.pop("recipients"))]
    return {**_said(found, _BOUNCE - {"recipients"}), "recipients": recipients}


def _complaint(value: object) -> dict[str, str] | None:
    return None if value is None else _said(value, _COMPLAINT)


def _reasons(value: object) -> tuple[tuple[str, str], ...]:
    return tuple(_pair(one, _text) for one in _list(value))


def _said(value: object, keys: set[str]) -> dict[str, str]:
    return {name: _text(said) for name, said in _mapping(value, keys).items()}


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromtimestamp(_exactly(float)(value), UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("no moment of ours") from error


def _authentication(value: object) -> Any:
    if _text(value) not in {"pass", "fail", "unknown"}:
        raise ValueError("no verdict of ours")
    return value


def _protection(value: object) -> Any:
    if _text(value) not in {"", "signed", "encrypted"}:
        raise ValueError("no protection of ours")
    return value


_READERS: dict[str, Callable[[object], Any]] = {
    "message_id": _text,
    "in_reply_to": _texts,
    "references": _texts,
    "from_": _people,
    "to": _people,
    "cc": _people,
    "reply_to": _people,
    "sender": _text,
    "delivered_to": _texts,
    "subject": _text,
    "date": _moment,
    "body_text": _text,
    "body_html": _text,
    "html_only": _exactly(bool),
    "spans": _spans,
    "attachments": _attachments,
    "auto": _exactly(bool),
    "bulk": _exactly(bool),
    "bounce": _bounce,
    "from_server": _exactly(bool),
    "complaint": _complaint,
    "reasons": _reasons,
    "authentication": _authentication,
    "protection": _protection,
    "repaired": _exactly(bool),
    "defects": _texts,
    "dedupe_key": _text,
    "hops": _number,
}
