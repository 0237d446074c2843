"""One HTTP POST, guarded: pinned addresses, one hard deadline, nothing followed.

Written and read by ourselves: a client for everything would ask the environment for
proxies and netrc, replay cookies and unpack bodies, at five times the cost.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from time import monotonic
from urllib.parse import urlsplit

from webhooks.addresses import AddressRefusedError, Policy
from webhooks.answers import AnswerError, SilenceError
from webhooks.guard import NotConnectedError, NotFoundError
from webhooks.lines import Line, Lines, Place, Proxy, TLSError, basic, milliseconds
from webhooks.wording import Sentence
from webhooks.wording import marked as _

EXCERPT_BYTES = 4096
# The status decides; how long we wait for the rest of the answer.
BODY_SECONDS = 5.0
_LONGEST_RETRY_AFTER = 86_400


@dataclass(slots=True)
class Outcome:
    """What became of an attempt. `error` is empty when there was an answer."""

    status: int | None = None
    error: str = ""
    detail: str = ""
    excerpt: bytes = b""
    retry_after: float | None = None
    peer: str = ""
    peer_public: bool = False
    dns_ms: int | None = None
    connect_ms: int | None = None
    first_byte_ms: int | None = None
    duration_ms: int = 0

    @property
    def success(self) -> bool:
        return not self.error and self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 -- 2xx


class Transport:
    """Shared by all senders of a drain. `tls` says whom to trust."""

    def __init__(
        self, policy: Policy, proxy: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        self.policy = policy
        self.proxy = Proxy.of(proxy)
        self.lines = Lines(policy, self.proxy, tls)

    def close(self) -> None:
        self.lines.close()

    def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout: float,
        auth: tuple[str, str] | None = None,
    ) -> Outcome:
        """Never raises for what a receiver does; ends within `timeout` seconds."""
        outcome = Outcome()
        begun = monotonic()
        try:
            if self.proxy:
                # The proxy resolves names by its own rules; literals we can judge.
                self.policy.check_url(url)
            place, target = _aim(url)
            self.policy.check_own(place.host, place.port)
            head = self._head(place, target, len(body), headers, auth)
        except AddressRefusedError as error:
            outcome.error, outcome.detail = "address_refused", error.sentence
            return outcome
        except ValueError as error:
            outcome.error, outcome.detail = "invalid_request", _plain(error)
            return outcome
        until = begun + timeout
        line = self.lines.kept(place)
        if line and self._is_stale(line, head + body, outcome, until):
            # A kept connection that the receiver had closed: not its failure.
            outcome, line = Outcome(), None
        if line is None:
            self._try_anew(place, head + body, outcome, until)
        if outcome.status is None and monotonic() >= until:
            outcome.error = "timeout"
            outcome.detail = Sentence(
                _("No answer within %(seconds)d s."), seconds=round(timeout)
            )
        outcome.duration_ms = milliseconds(begun)
        return outcome

    def _head(
        self,
        place: Place,
        target: str,
        length: int,
        headers: Mapping[str, str],
        auth: tuple[str, str] | None,
    ) -> bytes:
        """The request line and the headers. Raises `ValueError`."""
        through = self.proxy if place.scheme == "http" else None
        if through:
            target = f"http://{place.authority}{target}"
        fields = {
            "Host": place.authority,
            "Accept-Encoding": "identity",
            **headers,
            "Content-Length": str(length),
        }
        if auth:
            fields["Authorization"] = basic(":".join(auth))
        if through and through.authorization:
            fields["Proxy-Authorization"] = through.authorization
        lines = [f"POST {target} HTTP/1.1", *map(": ".join, fields.items())]
        text = "\r\n".join(lines)
        # One each between the lines, and nothing that would add a line of its own.
        if text.count("\r") + text.count("\n") != 2 * (len(lines) - 1) or "\0" in text:
            raise ValueError("A header holds a line break.")
        return f"{text}\r\n\r\n".encode("latin-1")

    def _try_anew(
        self, place: Place, request: bytes, outcome: Outcome, until: float
    ) -> None:
        begun = monotonic()
        try:
            line = self.lines.open(place, until)
        except AddressRefusedError as error:
            outcome.error, outcome.detail = "address_refused", error.sentence
        except NotFoundError as error:
            outcome.error, outcome.detail = "dns_error", _plain(error)
        except NotConnectedError as error:
            outcome.error, outcome.detail = "connect_error", _plain(error)
        except TLSError as error:
            outcome.error, outcome.detail = "tls_error", _plain(error)
        except TimeoutError as error:
            outcome.error, outcome.detail = "timeout", _plain(error)
        except (OSError, SilenceError, AnswerError) as error:
            outcome.error, outcome.detail = "connection_closed", _plain(error)
        else:
            outcome.dns_ms, outcome.connect_ms = line.dns_ms, line.connect_ms
            self._converse(line, request, outcome, until, begun)

    def _is_stale(
        self, line: Line, request: bytes, outcome: Outcome, until: float
    ) -> bool:
        """Send; True when a kept connection died before any byte of an answer."""
        self._converse(line, request, outcome, until, monotonic())
        return outcome.error == "connection_closed" and monotonic() < until

    def _converse(
        self, line: Line, request: bytes, outcome: Outcome, until: float, begun: float
    ) -> None:
        outcome.peer, outcome.peer_public = line.peer, line.peer_public
        line.wire.until = until
        try:
            try:
                line.stream.sendall(request)
            except (BrokenPipeError, ConnectionResetError):
                # Whoever has heard enough may have answered already.
                line.wire.until = min(until, monotonic() + BODY_SECONDS)
            self._hear(line, outcome, begun)
        except TimeoutError as error:
            outcome.error, outcome.detail = "timeout", _plain(error)
        except AnswerError as error:
            outcome.error, outcome.detail = "incomplete_answer", error.sentence
        except ssl.SSLEOFError as error:
            outcome.error, outcome.detail = "connection_closed", _plain(error)
        except ssl.SSLError as error:
            outcome.error, outcome.detail = "tls_error", _plain(error)
        except (OSError, SilenceError) as error:
            outcome.error, outcome.detail = "connection_closed", _plain(error)
        else:
            return
        line.wire.close()

    def _hear(self, line: Line, outcome: Outcome, begun: float) -> None:
        """The status decides; the beginning of the body is for people to read."""
        answer = line.reader.head()
        outcome.first_byte_ms = milliseconds(begun)
        outcome.status = answer.status
        outcome.retry_after = _retry_after(answer.headers.get("retry-after"))
        line.wire.until = min(line.wire.until, monotonic() + BODY_SECONDS)
        try:
            outcome.excerpt = line.reader.body(answer, EXCERPT_BYTES)
        except (OSError, AnswerError):
            outcome.excerpt = line.reader.buffer[:EXCERPT_BYTES]
        if answer.is_whole:
            self.lines.keep(line)
        else:
            line.wire.close()


@lru_cache(maxsize=1024)
def _aim(url: str) -> tuple[Place, str]:
    """Whom to speak to, and what to ask for. Raises `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("This is no URL.")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or any(c <= " " or c == "\x7f" for c in target):
        raise ValueError("The URL holds a character that must be percent-encoded.")
    return Place(parts.scheme, parts.hostname, port), target


def _retry_after(value: str | None) -> float | None:
    """Seconds from now (RFC 9110 section 10.2.3), at most a day; None if unreadable."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdecimal():
        return float(min(int(text[:9]), _LONGEST_RETRY_AFTER))
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER)


def _plain(error: BaseException) -> str:
    """What the system says of it, without object addresses and without our URL."""
    return (getattr(error, "strerror", None) or str(error))[:500]
