"""Connections are tried by people; each failure names its step."""

import os
import socket

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.mails import mail
from tests.mailservers import Sink, smtp_server
from threads.models import Source
from threads.probes import try_smtp, try_source


def server(port, **values):
    return {"host": "127.0.0.1", "port": port, "tls": "none", **values}


@pytest.fixture
def picky():
    """A server that lets in `teamlid` with the password `goed`."""

    def authenticate(_server, _session, _envelope, _mechanism, data):
        good = (data.login, data.password) == (b"teamlid", b"goed")
        return AuthResult(success=good, handled=good)

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(
        Sink(),
        hostname="127.0.0.1",
        port=port,
        authenticator=authenticate,
        auth_require_tls=False,
    )
    controller.start()
    yield port
    controller.stop()


def test_smtp_that_works_says_so():
    with smtp_server() as running:
        finding = try_smtp(server(running.port))
    assert finding.ok
    assert f"127.0.0.1:{running.port}" in finding.text
    assert running.mails == []


def test_smtp_that_is_not_there(db):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    finding = try_smtp(server(port))
    assert not finding.ok
    assert finding.text.startswith("Nothing answers at 127.0.0.1")
    assert "refused" in finding.text


def test_a_name_that_is_no_server_is_said_to_be_none(db):
    finding = try_smtp({"host": "smtp.shop.invalid", "tls": "none"})
    assert not finding.ok
    assert finding.text.startswith("There is no server smtp.shop.invalid")


def test_smtp_without_starttls():
    with smtp_server() as running:
        finding = try_smtp(server(running.port, tls="starttls"))
    assert not finding.ok
    assert finding.text.startswith("STARTTLS failed")


def test_smtp_that_speaks_no_tls_at_once():
    with smtp_server() as running:
        finding = try_smtp(server(running.port, tls="ssl"))
    assert not finding.ok
    assert finding.text.startswith("No secure connection")


def test_smtp_login(picky):
    login = {"username": "teamlid", "password": "goed"}
    finding = try_smtp(server(picky, **login))
    assert finding.ok, finding.text
    assert "Login accepted." in finding.text
    finding = try_smtp(server(picky, **{**login, "password": "fout"}))
    assert not finding.ok
    assert finding.text.startswith("Login refused.")
    assert "fout" not in finding.text


def test_a_source_says_how_many_mails_it_has(source, maildir):
    maildir.deliver(mail())
    maildir.deliver(mail(), folder="cur")
    finding = try_source(source)
    assert finding.ok
    assert "2 mails" in finding.text
    assert len(maildir.names("new")) == 1


def test_a_source_that_is_no_maildir_says_so(mailbox, tmp_path):
    finding = try_source(
        Source(mailbox=mailbox, kind="maildir", location=str(tmp_path / "nope"))
    )
    assert not finding.ok
    assert "is not a Maildir" in finding.text
    assert "mkdir" in finding.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_source_without_permission_says_so(source, maildir):
    (maildir.path / "new").chmod(0)
    finding = try_source(source)
    (maildir.path / "new").chmod(0o700)
    assert not finding.ok
    assert "permission" in finding.text
