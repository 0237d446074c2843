"""One HTTP POST, guarded: pinned addresses, one hard deadline, nothing followed.

No session: it would ask the environment for proxies and netrc, replay cookies, and
read the bodies of redirects.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from time import monotonic

import requests
from urllib3.exceptions import HTTPError, SSLError

from webhooks.addresses import AddressRefusedError, Policy
from webhooks.deadline import Deadline
from webhooks.guard import (
    CONNECT_SECONDS,
    Conversation,
    GuardedAdapter,
    begin,
    milliseconds,
)

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
    """The kept connections of one thread. Not to be shared between threads."""

    def __init__(self, policy: Policy, proxy: str = "") -> None:
        self.policy = policy
        self.proxies = {"http": proxy, "https": proxy} if proxy else {}
        self.adapter = GuardedAdapter()

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
            if self.proxies:
                # The proxy resolves names by its own rules; literals we can judge.
                self.policy.check_url(url)
            request = _prepared(url, body, headers, auth)
        except AddressRefusedError as error:
            outcome.error, outcome.detail = "address_refused", str(error)
            return outcome
        except ValueError as error:
            outcome.error, outcome.detail = "invalid_request", _plain(error)
            return outcome
        with Deadline(begun + timeout) as deadline:
            conversation = Conversation(self.policy, deadline, judged=not self.proxies)
            begin(conversation)
            if self._stale(request, outcome, conversation) and not deadline.expired:
                # A kept connection that the receiver had closed: not its failure.
                outcome = Outcome()
                conversation.fresh = True
                self._stale(request, outcome, conversation)
        if deadline.expired and outcome.status is None:
            outcome.error = "timeout"
            outcome.detail = f"No answer within {timeout:.0f} s."
        outcome.peer = conversation.peer
        outcome.peer_public = conversation.peer_public
        outcome.dns_ms, outcome.connect_ms = (
            conversation.dns_ms,
            conversation.connect_ms,
        )
        outcome.duration_ms = milliseconds(begun)
        return outcome

    def _stale(
        self,
        request: requests.PreparedRequest,
        outcome: Outcome,
        conversation: Conversation,
    ) -> bool:
        """Send; True when a kept connection died before any byte of an answer."""
        try:
            self._send(request, outcome, conversation.deadline)
        except AddressRefusedError as error:
            outcome.error, outcome.detail = "address_refused", str(error)
        except requests.exceptions.SSLError as error:
            outcome.error, outcome.detail = "tls_error", _plain(error)
        except (requests.RequestException, HTTPError, OSError, HTTPException) as error:
            outcome.error, outcome.detail = _code(error), _plain(error)
            return not conversation.fresh and outcome.error == "connection_closed"
        except ValueError as error:
            outcome.error, outcome.detail = "invalid_request", _plain(error)
        return False

    def _send(
        self, request: requests.PreparedRequest, outcome: Outcome, deadline: Deadline
    ) -> None:
        begun = monotonic()
        response = self.adapter.send(
            request,
            stream=True,
            timeout=(CONNECT_SECONDS, max(deadline.left(), 0.01)),
            verify=True,
            proxies=self.proxies,
        )
        with response:
            outcome.first_byte_ms = milliseconds(begun)
            outcome.status = response.status_code
            outcome.retry_after = _retry_after(response.headers.get("retry-after"))
            deadline.shorten(BODY_SECONDS)
            excerpt = b""
            with contextlib.suppress(HTTPError, OSError, HTTPException):
                excerpt = response.raw.read(EXCERPT_BYTES + 1, decode_content=False)
            outcome.excerpt = excerpt[:EXCERPT_BYTES]
            if len(excerpt) > EXCERPT_BYTES or deadline.expired:
                response.raw.close()


def _prepared(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    auth: tuple[str, str] | None,
) -> requests.PreparedRequest:
    """Step by step: `Request.prepare()` spends as much again on cookies and hooks."""
    request = requests.PreparedRequest()
    request.prepare_method("POST")
    request.prepare_url(url, None)
    request.prepare_headers(headers)
    request.prepare_body(body, None)
    request.prepare_auth(auth, url)
    return request


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


def _code(error: BaseException) -> str:
    """A stable word for what went wrong; documented in docs/webhooks.md."""
    text = str(error)
    if "within the headers" in text:
        return "incomplete_answer"
    if isinstance(error, requests.exceptions.Timeout):
        return "timeout"
    if "dns: " in text:
        return "dns_error"
    if "connect: " in text:
        return "connect_error"
    if isinstance(error, (requests.exceptions.InvalidURL, SSLError)):
        return "invalid_request"
    return "connection_closed"


def _plain(error: BaseException) -> str:
    """The innermost reason, without object addresses and without our URL."""
    reason: BaseException = error
    while (inner := getattr(reason, "reason", None)) or reason.args:
        if isinstance(inner, BaseException):
            reason = inner
        elif reason.args and isinstance(reason.args[0], BaseException):
            reason = reason.args[0]
        else:
            break
    text = str(reason)
    for mark in ("dns: ", "connect: "):
        if mark in text:
            text = text.partition(mark)[2]
    return text[:500]
