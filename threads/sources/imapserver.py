"""Where an IMAP mailbox is, as one URL without a secret in it.

`imaps://` is TLS from the first byte, `imap://` is STARTTLS and nothing before it, and
`imap+plain://` is no TLS at all, for a server on this very machine.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self
from urllib.parse import quote, unquote, urlsplit

from threads.sources.base import SourceError
from webhooks.wording import marked as _

TLS, STARTTLS, PLAIN = "tls", "starttls", "none"
_SCHEMES = {"imaps": TLS, "imap": STARTTLS, "imap+plain": PLAIN}
PORTS = {TLS: 993, STARTTLS: 143, PLAIN: 143}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    host: str
    port: int
    security: str
    username: str
    folder: str = "INBOX"

    def __post_init__(self) -> None:
        """Raises `SourceError` for what a server must never be sent."""
        for word in (self.host, self.username, self.folder):
            if not word or not word.isprintable():
                raise SourceError(
                    _(
                        "%(word)s can't be the name of a server, a user or a folder:"
                        " it is empty or has control characters."
                    ),
                    permanent=True,
                    word=repr(word),
                )
        if self.security == PLAIN and not is_here(self.host):
            raise SourceError(
                _(
                    "%(host)s is another machine: without TLS everybody on the way"
                    " reads the password. Choose TLS."
                ),
                permanent=True,
                host=self.host,
            )

    @classmethod
    def parse(cls, url: str) -> Self:
        """Raises `SourceError`.

        >>> Server.parse("imaps://me@x.nl@imap.x.nl/Archief/2026").folder
        'Archief/2026'
        >>> Server.parse("imap://me:secret@imap.x.nl")
        Traceback (most recent call last):
        ...
        threads.sources.base.SourceError: A password does not belong in a URL: ...
        """
        try:
            parts = urlsplit(url)
            port, security = parts.port, _SCHEMES[parts.scheme]
        except (ValueError, KeyError) as error:
            raise SourceError(
                _(
                    "%(url)s is no IMAP address. Write imaps://user@imap.example.com/"
                    "INBOX; imap:// asks for STARTTLS."
                ),
                permanent=True,
                url=url,
            ) from error
        if parts.password is not None:
            raise SourceError(
                _(
                    "A password does not belong in a URL: others can see it. Leave it"
                    " out; it is asked for."
                ),
                permanent=True,
            )
        return cls(
            host=parts.hostname or "",
            port=port or PORTS[security],
            security=security,
            username=unquote(parts.username or ""),
            folder=unquote(parts.path.strip("/")) or "INBOX",
        )

    @property
    def url(self) -> str:
        """What `parse` understands.

        >>> Server.parse("imap://a@b.nl:143/").url
        'imap://a@b.nl/INBOX'
        """
        scheme = next(
            s for s, security in _SCHEMES.items() if security == self.security
        )
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.security] else f":{self.port}"
        user = quote(self.username, safe="@+=!*'()")
        return f"{scheme}://{user}@{host}{port}/{quote(self.folder, safe='/ ')}"


def is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
