"""A real SMTP server that keeps what it accepts, and can misbehave."""

import socket
from contextlib import contextmanager

from aiosmtpd.controller import Controller


class Sink:
    """`refuse` maps a recipient to an answer; `answer` is the one to the mail."""

    def __init__(self, refuse=None, answer="250 OK"):
        self.refuse = refuse or {}
        self.answer = answer
        self.mails = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((envelope.rcpt_tos, envelope.original_content))
        if self.answer is None:
            session.transport = server.transport
            server.transport.abort()
            return "250 too late"
        return self.answer


@contextmanager
def smtp_server(**behaviour):
    sink = Sink(**behaviour)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(sink, hostname="127.0.0.1", port=port, enable_SMTPUTF8=True)
    controller.start()
    sink.port = port
    try:
        yield sink
    finally:
        controller.stop()
