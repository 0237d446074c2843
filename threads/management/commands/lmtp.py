"""The LMTP listener."""

import asyncio
import logging
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from threads.lmtp import Address, Listener
from threads.parsers import Parsers
from webhooks.management.base import OperatorCommand

HIGHEST_PORT = 65_535


def address(text: str) -> Address:
    """`HOST:PORT`, `[IPv6]:PORT`, or the path of a socket.

    >>> str(address("127.0.0.1:8024"))
    '127.0.0.1:8024'
    >>> address("/run/mailbelly/lmtp").path
    '/run/mailbelly/lmtp'
    """
    if "/" in text:
        return Address(path=text)
    host, _colon, port = text.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) <= HIGHEST_PORT):
        raise ArgumentTypeError("write HOST:PORT, or the path of a socket")
    return Address(host=host.strip("[]"), port=int(port))


class Command(OperatorCommand):
    help = "Listen for an MTA that delivers by LMTP."
    example = (
        "examples:\n"
        "  manage.py lmtp\n"
        "  manage.py lmtp --listen /run/mailbelly/lmtp --mode 660"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--listen",
            type=address,
            default=Address(host="127.0.0.1", port=8024),
            help="HOST:PORT, or the path of a socket (127.0.0.1:8024)",
        )
        parser.add_argument(
            "--mode",
            type=lambda text: int(text, 8),
            default=0o660,
            help="who may write to the socket, in octal (660)",
        )

    def handle(self, *, listen: Address, mode: int, **options: Any) -> None:
        del options
        # It tells of every command of every client.
        logging.getLogger("mail.log").setLevel(logging.WARNING)
        with Parsers() as parsers:
            try:
                asyncio.run(self._serve(Listener(listen, parsers, mode=mode)))
            except OSError as error:
                raise CommandError(
                    _("%(address)s: %(error)s. Choose another with --listen.")
                    % {"address": listen, "error": error.strerror or error}
                ) from error

    async def _serve(self, listener: Listener) -> None:
        said = _("Listening for LMTP on %s. Stop with Ctrl-C.") % listener.address
        await listener.serve(lambda: self.stderr.write(said))
