"""A real LMTP client, which asks for an answer for each recipient."""

import smtplib
from contextlib import contextmanager

from tests.processes import running


@contextmanager
def listening(environment, folder, *options, **settings):
    """`manage.py lmtp` on a socket in `folder`; `.socket` says where."""
    path = str(folder / "lmtp")
    arguments = ("lmtp", "--listen", path, *options)
    with running(environment, folder / "lmtp.log", *arguments, **settings) as process:
        process.says("Listening")
        process.socket = path
        yield process


def connected(process):
    return smtplib.LMTP(process.socket)


def hand(client, content, *recipients, sender="klant@bedrijf.nl"):
    """`[(recipient, code)]`: of RCPT, or of DATA for whom RCPT accepted."""
    client.mail(sender)
    asked = [(recipient, client.rcpt(recipient)[0]) for recipient in recipients]
    accepted = [recipient for recipient, code in asked if code == 250]
    answers = dict(asked)
    if accepted:
        answers[accepted[0]] = client.data(content)[0]
        for recipient in accepted[1:]:
            answers[recipient] = client.getreply()[0]
    else:
        client.rset()
    return [answers[recipient] for recipient in recipients]
