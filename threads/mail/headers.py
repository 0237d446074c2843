"""Headers, read defensively: each value has its own guard, none can lose the mail."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from email import utils
from itertools import islice
from quopri import decodestring

from threads.mail import limits
from threads.mail.addresses import normalise
from threads.mail.charsets import decode
from threads.mail.mailboxes import PAYLOAD, mailboxes
from threads.mail.mime import Part
from threads.mail.parameters import too_many
from threads.mail.parsed import Address
from threads.mail.transfer import base64, ends

# RFC 2047 section 2, lenient in what real mail puts between the question marks: a
# question mark, no charset; the last of a header that was cut has no end.
_WORD = re.compile(
    rf"=\?([^?\s]{{0,60}})\?([bBqQ])\?({PAYLOAD})(?:\?=|\??\Z)", re.DOTALL
)
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?)")
# An encoding and what it encodes.
_Word = tuple[str, str]
_LONGEST_WORD = 10_000
_ID = re.compile(r"<([^<>]+)>")
_LONGEST_NAME = 60
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)


def decoded(text: str) -> str:
    """RFC 2047 encoded words, also split multibyte ones and those within quotes.

    >>> decoded("=?utf-8?q?caf=C3=A9?=")
    'café'
    """
    if "=?" not in text:
        return text
    text = _BETWEEN_WORDS.sub(r"\1", text)
    # Text, or a charset and the words beside each other in it.
    pieces: list[str | tuple[str, list[_Word]]] = []
    position = 0
    for match in _WORD.finditer(text):
        if match.start() > position:
            pieces.append(text[position : match.start()])
        charset = match[1].partition("*")[0].lower()
        word = (match[2].lower(), match[3])
        last = pieces[-1] if pieces else ""
        if isinstance(last, tuple) and last[0] == charset:
            # A character may be split over two words, against the RFC.
            last[1].append(word)
        else:
            pieces.append((charset, [word]))
        position = match.end()
    pieces.append(text[position:])
    return "".join(
        piece if isinstance(piece, str) else decode(_bytes(piece[1]), piece[0])[0]
        for piece in pieces
    )


def _bytes(words: list[_Word]) -> bytes:
    found: list[bytes] = []
    unfinished = b""
    for encoding, payload in words:
        raw = payload.encode("utf-8", "surrogateescape")
        if encoding == "b":
            # Base64 that was cut anywhere goes on in the next word.
            raw = unfinished + raw
            unfinished = b"" if ends(raw) or len(raw) > _LONGEST_WORD else raw
            if not unfinished:
                found.append(base64(raw))
            continue
        found.append(base64(unfinished))
        found.append(decodestring(raw.replace(b" ", b"_"), header=True))
        unfinished = b""
    return b"".join([*found, base64(unfinished)])


def subject(message: Part) -> str:
    return limits.clean_line(decoded(message.first("subject")), limits.SUBJECT)


def ids(message: Part, name: str) -> tuple[str, ...]:
    """The Message-IDs in a header (RFC 5322 section 3.6.4); bare ones count too."""
    text = " ".join(message.values(name))
    found = _ID.findall(text) or [
        word for word in text.replace(",", " ").split() if "@" in word
    ]
    cleaned = (limits.message_id(one) for one in found)
    return tuple(dict.fromkeys(one for one in cleaned if one))


def message_id(message: Part) -> str:
    text = message.first("message-id")
    match = _ID.search(text)
    return limits.message_id(match[1] if match else text)


def addresses(message: Part, name: str) -> tuple[Address, ...]:
    """The mailboxes of an address header, made storable, within the limits."""
    return tuple(islice(_addresses(message, name), limits.ADDRESSES))


def _addresses(message: Part, name: str) -> Iterator[Address]:
    for value in message.values(name):
        for display, address in mailboxes(value):
            plain = limits.clean_line(address, limits.ADDRESS)
            shown = limits.clean_line(decoded(display), limits.NAME)
            if plain or shown:
                yield Address(plain, shown)


def defects(part: Part) -> Iterator[str]:
    """What the limits left out of the header of a mail or of a part."""
    for key, value in part.fields:
        if len(value) > limits.HEADER_BYTES:
            name = key[:_LONGEST_NAME].decode()
            yield f"header: only {limits.HEADER_BYTES} bytes of {name}"
    for name in ("content-type", "content-disposition"):
        if too_many(part.first(name)):
            yield f"parameters: only the first {limits.PARAMETERS} of {name}"


def crowds(people: Mapping[str, Collection[Address]], message: Part) -> Iterator[str]:
    """Whether there were more people than are read; `people` are those that were."""
    for name, read in people.items():
        if len(read) < limits.ADDRESSES:
            continue
        most = limits.ADDRESSES + 1
        if sum(1 for _ in islice(_addresses(message, name), most)) == most:
            yield f"addresses: only the first {limits.ADDRESSES} of {name}"


def sender(from_: tuple[Address, ...], message: Part) -> str:
    """The one From address, normalised; "" unless it is beyond doubt."""
    if sum(1 for _ in message.values("from")) != 1 or len(from_) != 1:
        return ""
    raw = message.first("from")
    # `<a@ok> <x@evil>` and `=?..?=@ok` mean different people to different readers.
    if len(_ID.findall(re.sub(r'"[^"]*"', "", raw))) > 1 or "=?" in from_[0].address:
        return ""
    return normalise(from_[0].address)


def date(message: Part) -> datetime | None:
    """UTC; None when absent, unreadable, or outside 1970 to 2100."""
    text = message.first("date")[:200]
    try:
        moment = utils.parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        moment = moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
    return moment if _EARLIEST <= moment < _LATEST else None
