"""Is it there, does it let us in? Asked by people, before mail depends on it.

Each answer names the step that failed and how to mend it. Nothing is written, and no
transaction may be open: servers take their time.
"""

import smtplib
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from threads.doors import open_door
from threads.models import Source
from threads.networks import check_host
from threads.sources.base import SourceError

SECONDS = 10
_MOST_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class Finding:
    ok: bool
    text: str


def try_source(source: Source) -> Finding:
    """Open it and count its mails; none is read or moved."""
    try:
        with closing(open_door(source)) as door:
            count = sum(1 for _copy in islice(door.copies(), _MOST_COUNTED))
    except SourceError as error:
        return Finding(ok=False, text=error.said(_))
    found = ngettext("Connected. %d mail found.", "Connected. %d mails found.", count)
    return Finding(ok=True, text=found % count)


def try_smtp(server: dict[str, Any]) -> Finding:
    """Connect, TLS, log in, leave. `server` as `Mailbox.smtp`."""
    host, port = server["host"], int(server.get("port") or 587)
    where = {"host": host, "port": port}
    context = ssl.create_default_context()
    try:
        check_host(host, port)
        if server.get("tls") == "ssl":
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                host, port, timeout=SECONDS, context=context
            )
        else:
            client = smtplib.SMTP(host, port, timeout=SECONDS)
    except ssl.SSLError as error:
        return _failed(_("No secure connection with %(host)s:%(port)d.") % where, error)
    except socket.gaierror as error:
        text = _("There is no server %(host)s (%(reason)s). Check its name.")
        return Finding(ok=False, text=text % {"host": host, "reason": error.strerror})
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        return _failed(_("Nothing answers at %(host)s:%(port)d.") % where, error)
    try:
        return _converse(client, server, context, where)
    finally:
        client.close()


def _converse(
    client: smtplib.SMTP,
    server: dict[str, Any],
    context: ssl.SSLContext,
    where: dict[str, Any],
) -> Finding:
    step = _("The server did not greet as SMTP does.")
    try:
        client.ehlo_or_helo_if_needed()
        if server.get("tls") == "starttls":
            step = _("STARTTLS failed with %(host)s:%(port)d.") % where
            client.starttls(context=context)
            client.ehlo()
        if server.get("username"):
            step = _("Login refused.")
            client.login(server["username"], server.get("password") or "")
        step = _("The server broke off.")
        client.noop()
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        return _failed(step, error)
    text = _("Connected with %(host)s:%(port)d.") % where
    if server.get("username"):
        text += " " + _("Login accepted.")
    return Finding(ok=True, text=text)


def _failed(step: str, error: Exception) -> Finding:
    said = getattr(error, "smtp_error", b"") or getattr(error, "strerror", "") or error
    if isinstance(said, bytes):
        said = said.decode("utf-8", "replace")
    code = getattr(error, "smtp_code", "")
    reason = " ".join(f"{code} {said}".replace("\x00", "").split())
    return Finding(ok=False, text=f"{step} ({reason[:300]})")
