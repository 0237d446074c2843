"""One connection with an IMAP server: nobody listens in, and nothing drowns us.

Certificate and name are checked, a password leaves only when encryption stands, and
whatever the server says is bounded in bytes and in time. Each failure names its step.
"""

import imaplib
import re
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError

from threads.sources.base import LoginRefusedError, OutageError
from threads.sources.imapserver import STARTTLS, TLS, Server
from webhooks.wording import marked as _

CONNECT_SECONDS = 10
# So long the server may be silent in the middle of an answer.
READ_SECONDS = 20
# So long an answer may take in all; a large one more.
ANSWER_SECONDS = 60
SLOWEST_BYTES_A_SECOND = 20_000
# What an answer may have beside the mails that were asked for.
SMALL_TALK = 2 * 1024 * 1024
_LONGEST_LINE = 1_000_000
_CHUNK = 64 * 1024
_FOLDERS_NAMED = 20
# Not "no, never", but "not now" (RFC 5530).
_NOT_NOW = re.compile(
    r"\[(UNAVAILABLE|INUSE|LIMIT|SERVERBUG|OVERQUOTA)\b", re.IGNORECASE
)

Login = Callable[["Connection"], None]


class _Imap4(imaplib.IMAP4):
    """Reads by itself, so that a line, a literal and an answer have their bounds."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._received = bytearray()
        self._left, self._deadline = SMALL_TALK, monotonic() + ANSWER_SECONDS
        # Called while it waits for the rest of something long.
        self.pulse: Callable[[], None] = lambda: None
        super().__init__(host, port, CONNECT_SECONDS)

    def allow(self, size: int = 0) -> None:
        """The next answer may be so large, and its time is measured by that."""
        self._left = size + SMALL_TALK
        seconds = ANSWER_SECONDS + size / SLOWEST_BYTES_A_SECOND
        self._deadline = monotonic() + seconds

    @property
    def waiting(self) -> bool:
        """Something has come that nobody asked for yet."""
        return bool(self._received)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        plain = socket.create_connection((self.host, self.port), timeout)
        plain.settimeout(READ_SECONDS)
        return plain if self._context is None else self._wrapped(plain, self._context)

    def _wrapped(self, plain: socket.socket, context: ssl.SSLContext) -> socket.socket:
        try:
            return context.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise

    def starttls(self, ssl_context: Any = None) -> tuple[Any, list[Any]]:
        kind, data = self._simple_command("STARTTLS")
        if kind != "OK":
            raise self.error(data[-1])
        if self._received:
            # Said in clear, to be taken for said in secret (CVE-2011-0411).
            raise self.abort("more than one answer to STARTTLS")
        self.file.close()
        self.sock = self._wrapped(self.sock, ssl_context)
        self.file = self.sock.makefile("rb")
        self.untagged_responses = {}
        return kind, data

    def read(self, size: int) -> bytes:
        if size > self._left:
            raise self.abort(f"a literal of {size} bytes")
        while len(self._received) < size:
            self._receive()
            self.pulse()
        return self._taken(size)

    def readline(self) -> bytes:
        seen = 0
        while (end := self._received.find(b"\n", seen)) < 0:
            seen = len(self._received)
            if seen > _LONGEST_LINE:
                raise self.abort("a line without end")
            self._receive()
        return self._taken(end + 1)

    def _receive(self) -> None:
        if monotonic() > self._deadline:
            raise self.abort("an answer that takes too long")
        if not (data := self.sock.recv(_CHUNK)):
            raise self.abort("socket error: EOF")
        self._received += data

    def _taken(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise self.abort("an answer without end")
        with memoryview(self._received) as view:
            data = bytes(view[:size])
        del self._received[:size]
        return data


class Connection(IMAPClient):  # type: ignore[misc]
    """IMAPClient on such a line; made by `connect`."""

    _imap: _Imap4

    def __init__(self, server: Server, context: ssl.SSLContext) -> None:
        self._first = context if server.security == TLS else None
        super().__init__(
            server.host,
            server.port,
            ssl=server.security == TLS,
            ssl_context=context,
            timeout=SocketTimeout(CONNECT_SECONDS, READ_SECONDS),
        )
        # Its debugging writes out what was said, and costs time when nobody reads it.
        self._imap.debug = 0
        # Aware, not of this machine's zone.
        self.normalise_times = False

    def _create_IMAP4(self) -> _Imap4:  # noqa: N802 -- IMAPClient's
        return _Imap4(self.host, self.port, self._first)

    def allow(self, size: int = 0) -> None:
        """Before each command: how large its answer may be."""
        self._imap.allow(size)

    def pulse_by(self, pulse: Callable[[], None]) -> None:
        self._imap.pulse = pulse

    @property
    def waiting(self) -> bool:
        return self._imap.waiting

    @property
    def logged_in(self) -> bool:
        return self._imap.state != "NONAUTH"

    def hang_up(self) -> None:
        """No good-bye: it may be the server's turn to speak, for ever."""
        with suppress(OSError):
            self.shutdown()


def connect(server: Server, login: Login, *, authority: str = "") -> Connection:
    """Encrypted as asked for, and logged in. Raises `OutageError`."""
    context = ssl.create_default_context()
    if authority:
        try:
            context.load_verify_locations(cadata=authority)
        except (ssl.SSLError, ValueError) as error:
            raise OutageError(
                _("The certificate that was entered can't be read: %(reason)s."),
                permanent=True,
                reason=said(error),
            ) from error
    connection = _reached(server, context)
    try:
        _encrypt(connection, server, context)
        _log_in(connection, server, login)
        connection.allow()
        if {b"ENABLE", b"CONDSTORE"} <= set(connection.capabilities()):
            connection.enable("CONDSTORE")
    except (OSError, IMAPClientError) as error:
        connection.hang_up()
        raise broken(server, error) from error
    except BaseException:
        connection.hang_up()
        raise
    return connection


def _reached(server: Server, context: ssl.SSLContext) -> Connection:
    where: dict[str, Any] = {"host": server.host, "port": server.port}
    try:
        return Connection(server, context)
    except (socket.gaierror, UnicodeError) as error:
        raise OutageError(
            _("There is no server %(host)s (%(reason)s). Check its name."),
            reason=said(error),
            **where,
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise _distrusted(server, error) from error
    except ssl.SSLError as error:
        raise _no_tls(server, error) from error
    except (OSError, TimeoutError) as error:
        raise OutageError(
            _(
                "Nothing answers at %(host)s:%(port)d (%(reason)s). Check name, port"
                " and firewall."
            ),
            reason=said(error),
            **where,
        ) from error
    except imaplib.IMAP4.error as error:
        raise OutageError(
            _(
                "What answers at %(host)s:%(port)d is no IMAP server (%(reason)s)."
                " Check port and security: 993 is for TLS, 143 for STARTTLS."
            ),
            reason=said(error),
            **where,
        ) from error


def _distrusted(server: Server, error: ssl.SSLCertVerificationError) -> OutageError:
    where: dict[str, Any] = {"host": server.host, "reason": said(error)}
    if error.verify_code in {62, 64}:  # X509_V_ERR_HOSTNAME_, IP_ADDRESS_MISMATCH
        return OutageError(
            _(
                "The certificate is not for %(host)s (%(reason)s). Write the server's"
                " name as its certificate has it."
            ),
            **where,
        )
    return OutageError(
        _(
            "The certificate of %(host)s is not trusted (%(reason)s). If it is your"
            " own, enter the certificate of its authority."
        ),
        **where,
    )


def _no_tls(server: Server, error: Exception) -> OutageError:
    return OutageError(
        _(
            "No secure connection with %(host)s:%(port)d (%(reason)s). Port 993 is for"
            " TLS, 143 for STARTTLS."
        ),
        host=server.host,
        port=server.port,
        reason=said(error),
    )


def _encrypt(connection: Connection, server: Server, context: ssl.SSLContext) -> None:
    """STARTTLS or nothing: a server without it, or logged in already, is refused."""
    if connection.logged_in:
        raise OutageError(
            _("%(host)s logs in whoever comes, before any check. It is not used."),
            permanent=True,
            host=server.host,
        )
    if server.security != STARTTLS:
        return
    if not connection.has_capability("STARTTLS"):
        raise OutageError(
            _("%(host)s offers no STARTTLS. Nothing was sent. Choose TLS, port 993."),
            permanent=True,
            host=server.host,
        )
    try:
        connection.allow()
        connection.starttls(context)
        connection.capabilities()
    except ssl.SSLCertVerificationError as error:
        raise _distrusted(server, error) from error
    except (OSError, IMAPClientError) as error:
        raise OutageError(
            _("STARTTLS failed with %(host)s:%(port)d (%(reason)s). Nothing was sent."),
            host=server.host,
            port=server.port,
            reason=said(error),
        ) from error


def _log_in(connection: Connection, server: Server, login: Login) -> None:
    """Refused is another thing than unreachable, busy, or gone in the middle."""
    connection.allow()
    try:
        login(connection)
    except LoginError as error:
        if _is_abort(error) or _NOT_NOW.search(str(error)):
            raise broken(server, error) from error
        raise LoginRefusedError(
            _(
                "%(host)s refuses the login of %(username)s (%(reason)s). Check user"
                " name and password, and whether the account allows IMAP."
            ),
            host=server.host,
            username=server.username,
            reason=said(error),
            permanent=True,
        ) from error


def by_password(username: str, password: str) -> Login:
    """LOGIN, or where a server has switched that off AUTHENTICATE PLAIN."""

    def login(connection: Connection) -> None:
        plain = not (username + password).isascii()
        if plain or connection.has_capability("LOGINDISABLED"):
            connection.plain_login(username, password)
        elif any(word in username + password for word in "\r\n\0"):
            raise LoginError("a line break in user name or password")
        else:
            connection.login(username, password)

    return login


def by_token(username: str, token: str) -> Login:
    """OAUTHBEARER (RFC 7628) where there is, else XOAUTH2."""

    def login(connection: Connection) -> None:
        bearer = connection.has_capability("AUTH=OAUTHBEARER")
        if bearer:
            name = username.replace("=", "=3D").replace(",", "=2C")
            first = f"n,a={name},\1auth=Bearer {token}\1\1"
        else:
            first = f"user={username}\1auth=Bearer {token}\1\1"
        # Refused, the server explains, and wants an answer to that (RFC 7628, 3.2.3).
        answers = iter([first.encode()])
        connection.sasl_login(
            "OAUTHBEARER" if bearer else "XOAUTH2",
            lambda _challenge: next(answers, b"\1" if bearer else b""),
        )

    return login


def folders(connection: Connection) -> list[str]:
    """The first names of what may be selected."""
    connection.allow()
    listed = connection.list_folders()
    names = [
        name if isinstance(name, str) else name.decode("utf-8", "replace")
        for flags, _separator, name in listed
        if b"\\Noselect" not in flags
    ]
    return sorted(names)[:_FOLDERS_NAMED]


def broken(server: Server, error: BaseException) -> OutageError:
    """The connection is of no more use."""
    return OutageError(
        _("The connection with %(host)s:%(port)d broke (%(reason)s)."),
        host=server.host,
        port=server.port,
        reason=said(error),
    )


def _is_abort(error: BaseException) -> bool:
    """IMAPClient makes a refused login of everything that goes wrong in one."""
    causes = (error, error.__cause__, error.__context__)
    return any(isinstance(cause, IMAPClientAbortError) for cause in causes)


def said(error: BaseException) -> str:
    """The server's or the system's own words, on one short line.

    >>> said(LoginError("b'[AUTHENTICATIONFAILED] No.'"))
    '[AUTHENTICATIONFAILED] No'
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        text = error.verify_message
    else:
        text = getattr(error, "strerror", "") or str(error) or type(error).__name__
    if found := re.search(r"b(['\"])(.*)\1", text):
        text = found[2]
    return " ".join(text.split())[:300].rstrip(".")
