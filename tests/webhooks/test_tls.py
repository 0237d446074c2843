"""Secure connections: who may answer, through what, and in what time."""

import socket
import ssl
import threading
from contextlib import closing, contextmanager
from time import monotonic

import pytest

from tests.imapservers import certificate
from tests.receivers import receiving
from webhooks.addresses import Policy
from webhooks.transport import Transport

LOOPBACK = Policy.of(["127.0.0.0/8"])


def post(url, trusted, proxy="", timeout=5.0):
    with closing(Transport(LOOPBACK, proxy, tls=trusted)) as transport:
        outcomes = [
            transport.post(url, b"{}", {"X-Test": "1"}, timeout=timeout)
            for _ in range(2)
        ]
    assert outcomes[0].error == outcomes[1].error
    return outcomes[0]


@contextmanager
def secure(folder, *names, days=10):
    """A receiver with a certificate of its own, and who trusts that."""
    cert, key = certificate(folder, *names, days=days)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(cert, key)
    with receiving(tls=server) as receiver:
        yield receiver, ssl.create_default_context(cafile=cert)


def test_a_certificate_that_is_trusted_is_fine(tmp_path):
    with secure(tmp_path, "127.0.0.1") as (receiver, trusted):
        assert post(receiver.url, trusted).success
        # Once connected, twice told.
        assert len(receiver.requests) == 2


@pytest.mark.parametrize(
    ("name", "days", "detail"),
    [
        ("127.0.0.1", -1, "certificate has expired"),
        ("other.example", 10, "IP address mismatch, certificate is not valid for"),
    ],
)
def test_a_bad_certificate_says_what_is_wrong_with_it(tmp_path, name, days, detail):
    with secure(tmp_path, name, days=days) as (receiver, trusted):
        outcome = post(receiver.url, trusted)
        assert receiver.requests == []
    assert outcome.error == "tls_error"
    assert detail in outcome.detail


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path):
    with secure(tmp_path, "127.0.0.1") as (receiver, _trusted):
        outcome = post(receiver.url, None)
        assert receiver.requests == []
    assert (outcome.error, outcome.detail) == ("tls_error", "self-signed certificate")


@pytest.mark.parametrize("chunks", [[], [b"\x16\x03\x03\x02\x00", *[b"\x02"] * 100]])
def test_a_handshake_that_never_ends_ends_at_the_deadline(tmp_path, chunks):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip():
            for _ in range(2):
                connection, _address = listener.accept()
                connections.append(connection)
                for chunk in chunks:
                    try:
                        connection.sendall(chunk)
                    except OSError:
                        break
                    if stop.wait(0.1):
                        return

        connections, stop = [], threading.Event()
        thread = threading.Thread(target=drip)
        thread.start()
        begun = monotonic()
        outcome = post(
            f"https://127.0.0.1:{listener.getsockname()[1]}/", None, timeout=1.0
        )
        assert monotonic() - begun < 4.0
        stop.set()
        thread.join()
        for connection in connections:
            connection.close()
    assert outcome.error == "timeout"


# --- Through a proxy --------------------------------------------------------------


@contextmanager
def proxying(answer=b"HTTP/1.1 200 Connection established\r\n\r\n", tls=None):
    """A proxy that tunnels; yields its address and what it was asked for."""
    asked = []
    listener = socket.create_server(("127.0.0.1", 0))
    if tls is not None:
        listener = tls.wrap_socket(listener, server_side=True)

    def serve():
        while True:
            try:
                client, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=tunnel, args=(client,), daemon=True).start()

    def tunnel(client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65_536)
        asked.append(head.decode())
        client.sendall(answer)
        if b" 200 " not in answer:
            client.close()
            return
        host, port = head.split(b" ")[1].decode().rsplit(":", 1)
        with client, socket.create_connection((host, int(port))) as server:
            back = threading.Thread(target=pipe, args=(server, client), daemon=True)
            back.start()
            pipe(client, server)

    def pipe(source, sink):
        try:
            while data := source.recv(65_536):
                sink.sendall(data)
        except OSError:
            pass

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        yield listener.getsockname()[1], asked


def test_through_a_proxy_tls_goes_to_the_receiver_and_the_password_to_the_proxy(
    tmp_path,
):
    with (
        secure(tmp_path, "127.0.0.1") as (receiver, trusted),
        proxying() as (
            port,
            asked,
        ),
    ):
        outcome = post(receiver.url, trusted, f"http://jan:geheim@127.0.0.1:{port}")
        assert outcome.success
        assert len(receiver.requests) == 2
        assert "Proxy-Authorization" not in receiver.requests[0][1]
    assert len(asked) == 1
    assert asked[0].startswith(f"CONNECT {receiver.url[8:-1]} HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic amFuOmdlaGVpbQ==\r\n" in asked[0]


def test_a_proxy_may_itself_be_spoken_to_by_tls(tmp_path):
    cert, key = certificate(tmp_path, "127.0.0.1")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(cert, key)
    trusted = ssl.create_default_context(cafile=cert)
    with receiving(tls=server) as receiver, proxying(tls=server) as (port, _):
        assert post(receiver.url, trusted, f"https://127.0.0.1:{port}").success


def test_a_proxy_that_refuses_says_so(tmp_path):
    refusal = b"HTTP/1.1 403 Forbidden\r\n\r\n"
    with (
        secure(tmp_path, "127.0.0.1") as (receiver, trusted),
        proxying(refusal) as (
            port,
            _,
        ),
    ):
        outcome = post(receiver.url, trusted, f"127.0.0.1:{port}")
        assert receiver.requests == []
    assert outcome.error == "connect_error"
    assert outcome.detail == "the proxy answered 403"


def test_plain_http_is_asked_of_a_proxy_by_its_whole_url():
    with receiving() as proxy:
        url = proxy.url.replace("http://", "http://jan:geheim@")
        policy = Policy(names=frozenset({"hooks.internal"}))
        with closing(Transport(policy, url)) as transport:
            outcome = transport.post(
                "http://hooks.internal/a?b=c", b"{}", {}, timeout=5.0
            )
        assert outcome.success
        path, headers, _body = proxy.requests[0]
    assert path == "http://hooks.internal/a?b=c"
    assert headers["Host"] == "hooks.internal"
    assert headers["Proxy-Authorization"] == "Basic amFuOmdlaGVpbQ=="
