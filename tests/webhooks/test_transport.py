"""One guarded POST: it ends in time, goes where it may, and keeps nothing."""

import gzip
import socket
import struct
import threading
import tracemalloc
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from time import monotonic, sleep

import pytest

from tests.receivers import conversing, receiving, talking
from webhooks.addresses import AddressRefusedError, Policy, is_public
from webhooks.transport import EXCERPT_BYTES, Transport

LOOPBACK = Policy.of(["127.0.0.0/8"])


def post(url, policy=LOOPBACK, timeout=5.0, transport=None, **headers):
    return (transport or Transport(policy)).post(url, b"{}", headers, timeout=timeout)


def test_a_204_is_success():
    with receiving() as receiver:
        outcome = post(receiver.url)
    assert outcome.success
    assert outcome.peer == "127.0.0.1"
    assert not outcome.peer_public


@pytest.mark.parametrize(
    "chunks",
    [
        [b"HTTP/1.1 200 OK\r\n", *[b"X-Drip: 1\r\n"] * 100],
        [b"H", *[b"T"] * 100],
    ],
)
def test_a_dripping_receiver_is_cut_off_at_the_deadline(chunks):
    begun = monotonic()
    with talking(*chunks, pause=0.1) as (url, _):
        outcome = post(url, timeout=1.0)
    assert monotonic() - begun < 2.0
    assert (outcome.error, outcome.status) == ("timeout", None)
    assert not outcome.success


def test_a_2xx_in_time_is_success_though_its_body_never_ends():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    begun = monotonic()
    with talking(head, *[b"x"] * 100, pause=0.1) as (url, _):
        outcome = post(url, timeout=1.0)
    assert monotonic() - begun < 2.0
    assert outcome.success


def test_the_deadline_holds_on_a_kept_connection_too():
    answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    with conversing(
        [answer], [b"HTTP/1.1 200 OK\r\n", *[b"X-Drip: 1\r\n"] * 60]
    ) as url:
        transport = Transport(LOOPBACK)
        assert post(url, transport=transport).success
        begun = monotonic()
        outcome = post(url, transport=transport, timeout=1.0)
    assert monotonic() - begun < 2.0
    assert outcome.error == "timeout"
    assert (outcome.connect_ms, outcome.peer) == (None, "127.0.0.1")
    assert not outcome.peer_public


def test_the_body_of_a_redirect_is_not_unpacked():
    bomb = gzip.compress(b"0" * 50_000_000)
    headers = {"content-encoding": "gzip", "location": "https://example.com/"}
    with receiving((302, headers, bomb)) as receiver:
        tracemalloc.start()
        outcome = post(receiver.url)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert outcome.status == 302
    assert peak < 5_000_000


@pytest.mark.parametrize(
    "value", ["1e9", "-5", "Thu, 01 Jan 99999 00:00:00 GMT", "٣", "soon", "9" * 400]
)
def test_a_nonsense_retry_after_is_no_trouble(value):
    with receiving((503, {"retry-after": value.encode().decode("latin-1")}, b"")) as r:
        outcome = post(r.url)
    assert outcome.status == 503
    assert (outcome.retry_after or 0.0) <= 86_400


@pytest.mark.parametrize(
    ("ahead", "seconds"), [(timedelta(minutes=5), 300), (timedelta(days=-1), 0)]
)
def test_a_retry_after_may_be_a_date_and_one_that_is_past_is_now(ahead, seconds):
    date = format_datetime(datetime.now(UTC) + ahead, usegmt=True)
    with receiving((503, {"retry-after": date}, b"")) as receiver:
        outcome = post(receiver.url)
    assert seconds - 5 < outcome.retry_after <= seconds


def test_through_a_proxy_the_deadline_and_the_address_rules_hold():
    with talking(*[b"H"] * 100, pause=0.1) as (proxy, _):
        transport = Transport(Policy(names=frozenset({"hooks.internal"})), proxy)
        begun = monotonic()
        outcome = post("http://hooks.internal/", transport=transport, timeout=1.0)
        assert monotonic() - begun < 2.0
        assert outcome.error == "timeout"
        inside = post("http://169.254.169.254/", transport=transport)
        assert inside.error == "address_refused"


def test_a_name_server_that_hangs_keeps_nobody_past_the_deadline(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: sleep(10))
    begun = monotonic()
    outcome = post("http://slow.example/", timeout=0.5)
    assert monotonic() - begun < 1.5
    assert not outcome.success


def test_a_receiver_that_says_nothing_is_a_timeout():
    with talking(hold=10) as (url, _):
        assert post(url, timeout=0.5).error == "timeout"


def test_the_end_of_the_stream_within_the_headers_is_no_success():
    with talking(b"HTTP/1.1 200 OK\r\nX-Half: ") as (url, _):
        outcome = post(url)
    assert outcome.error == "incomplete_answer"
    assert not outcome.success


def test_a_receiver_that_takes_no_connection_is_left_at_the_deadline():
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        ExitStack() as stack,
    ):
        # Whoever comes when its queue is full is not answered at all.
        for _ in range(3):
            waiting = stack.enter_context(closing(socket.socket()))
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        begun = monotonic()
        outcome = post(f"http://127.0.0.1:{full.getsockname()[1]}/", timeout=1.0)
    assert monotonic() - begun < 2.0
    assert (outcome.error, outcome.connect_ms) == ("timeout", None)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nX-Half: "])
def test_a_connection_that_is_reset_is_no_success(said):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(said)
                sleep(0.1)
                # No farewell: RST, and not FIN.
                off = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, off)

        thread = threading.Thread(target=reset)
        thread.start()
        outcome = post(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join()
    assert (outcome.error, outcome.success) == ("connection_closed", False)


def test_an_empty_answer_is_a_closed_connection():
    with talking() as (url, _):
        assert post(url).error == "connection_closed"


def test_a_compressed_bomb_is_not_unpacked():
    bomb = gzip.compress(b"0" * 10_000_000)
    with receiving((200, {"content-encoding": "gzip"}, bomb)) as receiver:
        outcome = post(receiver.url)
    assert outcome.success
    assert len(outcome.excerpt) == EXCERPT_BYTES


def test_cookies_are_never_sent_back():
    with receiving((204, {"set-cookie": "a=b; Path=/"}, b"")) as receiver:
        transport = Transport(LOOPBACK)
        post(receiver.url, transport=transport)
        post(receiver.url, transport=transport)
        assert all("Cookie" not in headers for _, headers, _ in receiver.requests)


def test_proxies_and_netrc_of_the_environment_are_ignored(monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login x password y\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9999/")
    with receiving() as receiver:
        assert post(receiver.url).success
        assert "Authorization" not in receiver.requests[0][1]


def test_a_connection_is_reused():
    with talking(b"HTTP/1.1 204 No Content\r\n\r\n", hold=2) as (url, state):
        post(url)
        assert state["connections"] == 1


def test_a_stale_connection_is_tried_once_more_within_the_attempt():
    answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    with talking(answer) as (url, state):
        transport = Transport(LOOPBACK)
        assert post(url, transport=transport).success
        assert post(url, transport=transport).success
        assert state["connections"] == 2


def test_a_name_that_points_inside_is_refused_when_it_is_connected_to():
    with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", "localhost")
        outcome = post(url, policy=Policy())
        assert receiver.requests == []
    assert outcome.error == "address_refused"
    assert "localhost points to 127.0.0.1, which is not" in outcome.detail
    assert (outcome.status, outcome.excerpt) == (None, b"")


def pointing(monkeypatch, *answers):
    """What a name server says, one answer after the other, the last one for ever."""
    said = [
        [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 80)) for one in answer]
        for answer in answers
    ]
    real = socket.getaddrinfo
    asked = []

    def answer(host, *rest, **named):
        if host != "hooks.example":
            return real(host, *rest, **named)
        asked.append(host)
        return said.pop(0) if len(said) > 1 else said[0]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def test_one_private_address_among_public_ones_refuses_all(monkeypatch):
    pointing(monkeypatch, ["203.0.113.9", "1.1.1.1", "10.0.0.1"])
    outcome = post("https://hooks.example/", policy=Policy())
    assert outcome.error == "address_refused"
    assert outcome.connect_ms is None


def test_a_name_that_changes_its_mind_is_connected_where_it_was_judged(monkeypatch):
    """Looked up once for a connection; what it says next is judged anew."""
    with receiving() as receiver:
        port = receiver.url.rpartition(":")[2].strip("/")
        asked = pointing(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
        real = socket.socket.connect

        def connect(self, address):
            return real(self, (address[0], int(port)))

        monkeypatch.setattr(socket.socket, "connect", connect)
        transport = Transport(LOOPBACK)
        first = post("http://hooks.example/", transport=transport)
        # Kept, and so not looked up again.
        assert post("http://hooks.example/", transport=transport).success
        transport.close()
        again = post("http://hooks.example/", policy=LOOPBACK)
    assert first.success
    assert again.error == "address_refused"
    assert len(asked) == 2
    assert len(receiver.requests) == 2


@pytest.mark.parametrize(
    ("status", "success"),
    [
        *((code, True) for code in (200, 204, 206, 299)),
        *((code, False) for code in (300, 301, 302, 304, 307, 308, 400, 500, 600)),
    ],
)
def test_2xx_is_success_and_nothing_else(status, success):
    with receiving() as target, receiving((status, {"location": target.url}, b"")) as r:
        outcome = post(r.url)
        assert target.requests == []
    assert (outcome.status, outcome.success, outcome.error) == (status, success, "")


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "a\u20ac"])
def test_a_header_that_would_add_a_line_is_not_sent(value):
    with receiving() as receiver:
        outcome = post(receiver.url, **{"X-Test": value})
        assert receiver.requests == []
    assert outcome.error == "invalid_request"


def test_a_receiver_that_answers_before_it_has_heard_all_is_heard():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse():
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 413 Too Large\r\n\r\n")
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):
                    pass

        thread = threading.Thread(target=refuse)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        outcome = Transport(LOOPBACK).post(url, b"x" * 2_000_000, {}, timeout=5.0)
        thread.join()
    assert outcome.status == 413


def test_a_receiver_that_takes_nothing_is_a_timeout():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        begun = monotonic()
        body = b"x" * 20_000_000
        outcome = Transport(LOOPBACK).post(url, body, {}, timeout=1.0)
    assert monotonic() - begun < 2.5
    assert outcome.error == "timeout"


def test_a_name_that_does_not_resolve_is_an_error_to_try_again():
    outcome = post("https://does-not-exist.invalid/")
    assert outcome.error == "dns_error"


PRIVATE = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "198.18.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "224.0.0.1",
    "168.63.129.16",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "5f00::1",
    "3fff::1",
    "2001:db8::1",
    "100::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_inside_is_never_public(address):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_an_address_outside_is_public(address):
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://0/",
        "https://0.0.0.0/",
        "https://127.0.0.1./",
        "https://[::1]/",
        "https://[fe80::1%eth0]/",
        "https://[::ffff:127.0.0.1]/",
        "https://localhost/",
        "https://localhost./",
        "https://a.localhost/",
        "https://user@example.com/",
        "https://ok@127.0.0.1/",
        "https://127.0.0.1#@ok/",
        "https://127.0.0.1\\@ok/",
        "https://exa mple.com/",
        "https://example.com/\tx",
        "https://example.com/\r\nX: y",
        "https://exa\0mple.com/",
        "https://example.com:22/",
        "https://example.com:99999/",
        "https://%31.1.1.1/",
        "file:///etc/passwd",
        "gopher://x/",
        "unix:///run/x.sock",
        "http+unix://%2Frun%2Fx.sock/",
        "https:///x",
        "https://127。0。0。1/",
        "https://bücher.de/",
        "https://example.com/" + "x" * 2048,
    ],
)
def test_a_url_that_can_never_be_told_is_refused(url):
    with pytest.raises(AddressRefusedError):
        Policy().check_url(url)


@pytest.mark.parametrize(
    "url",
    ["https://example.com/", "https://example.com:8443/x?y=z", "https://1.1.1.1/"],
)
def test_a_public_https_url_is_fine(url):
    Policy().check_url(url)


def test_an_allowed_network_lets_in_exactly_that_network():
    allowed = Policy.of(["10.1.0.0/16", "hooks.internal"])
    allowed.check_url("http://10.1.2.3:8080/")
    allowed.check_url("http://hooks.internal/")
    with pytest.raises(AddressRefusedError) as refused:
        allowed.check_url("http://10.2.0.1/")
    assert refused.value.mend == "10.2.0.1/32"


OWN = "https://mail.shop.nl"


@pytest.mark.parametrize(
    "url", [f"{OWN}/", f"{OWN}:443/admin/", "https://MAIL.shop.nl./api/v1/threads"]
)
def test_mailbelly_is_no_receiver_of_its_own_unless_somebody_says_so(url):
    with pytest.raises(AddressRefusedError, match="of MailBelly itself") as refused:
        Policy.of([], OWN).check_url(url)
    Policy.of([refused.value.mend], OWN).check_url(url)
    # Before anybody was asked where that is.
    outcome = post(url, policy=Policy.of(["127.0.0.0/8"], OWN))
    assert (outcome.error, outcome.dns_ms) == ("address_refused", None)
    assert "MailBelly itself" in outcome.detail


def test_other_programs_on_our_machine_are_receivers_as_any():
    Policy.of([], OWN).check_url(f"{OWN}:8443/hook")
    Policy.of([], OWN).check_url("https://flows.shop.nl/hook")
    with receiving() as receiver:
        here = Policy.of(["127.0.0.0/8"], "http://127.0.0.1:1/")
        assert post(receiver.url, policy=here).success
        # What the operator named, he meant.
        assert post(receiver.url, Policy.of(["127.0.0.0/8"], receiver.url)).success
