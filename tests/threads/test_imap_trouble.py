"""IMAP servers that are wrong, hostile, or away; each time what is wrong is said."""

import json
import ssl
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep

import pytest
from django.conf import settings as project
from django.db import connection
from django.utils import timezone, translation

from tests.imapservers import certificate, dovecot, free_port, scripted
from tests.mails import mail
from threads import listening, outages
from threads.ingest import Options, take_in
from threads.laws import LAWS
from threads.models import IngestRecord, Message, Source
from threads.parsers import Parsers
from threads.probes import try_source
from threads.sources import imap, imapwire
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


def one(number):
    return mail(f"Vraag {number}", message_id=f"<{number}@x>", text=f"{number}\n")


def texts():
    return sorted(Message.objects.values_list("body_text", flat=True))


def told():
    kinds = Event.objects.order_by("position").values_list("type", flat=True)
    return [kind for kind in kinds if kind.startswith(("mailbox.", "mail."))]


def reading(mailbox, url, **values):
    values = {"start": "all", "settings": {"password": "x"}, **values}
    return Source.objects.create(mailbox=mailbox, kind="imap", location=url, **values)


# --- Test connection --------------------------------------------------------------


def test_a_connection_that_fails_says_what_is_wrong(mailbox, imap_server, tmp_path):
    user = imap_server.new_user()
    good = imap_server.settings()
    host = f"{user}@localhost:{imap_server.port}"
    cases = [
        (f"imaps://{host}/INBOX", good, "Connected", "Verbonden"),
        ("imaps://me@nowhere.invalid/", good, "There is no server", "Er is geen"),
        (f"imaps://me@localhost:{free_port()}/", good, "Nothing answers", "Niets"),
        (f"imaps://{host}/", {}, "is not trusted", "niet vertrouwd"),
        (
            f"imaps://me@localhost:{imap_server.starttls_port}/",
            *(good, "No secure connection", "Geen beveiligde"),
        ),
        (
            f"imaps://{host}/INBOX",
            *({**good, "password": "fout"}, "refuses the login", "weigert"),
        ),
        (f"imaps://{host}/Weg", good, "There is no folder Weg", "geen map Weg"),
    ]
    for url, settings, english, dutch in cases:
        source = Source(mailbox=mailbox, kind="imap", location=url, settings=settings)
        finding = try_source(source)
        assert english in finding.text, (url, finding)
        assert "fout" not in finding.text
        with translation.override("nl"):
            assert dutch in try_source(source).text, url


def test_a_certificate_for_another_name_or_too_old_is_refused(mailbox, tmp_path):
    for names, days, words in (
        (("mail.elders.nl",), 10, "not for localhost"),
        (("localhost",), -1, "is not trusted (certificate has expired)"),
    ):
        folder = tmp_path / words[:3]
        folder.mkdir()
        pem, key = certificate(folder, *names, days=days)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, key)
        with scripted({}, context=context) as server:
            source = Source(
                mailbox=mailbox,
                kind="imap",
                location=f"imaps://me@localhost:{server.port}/",
                settings={"password": "geheim", "authority": pem.read_text()},
            )
            finding = try_source(source)
            assert words in finding.text
            assert server.heard == []


def test_encryption_is_never_stripped_and_no_password_leaves(mailbox, monkeypatch):
    monkeypatch.setattr(imapwire, "READ_SECONDS", 1)
    injected = b"* CAPABILITY IMAP4rev1 STARTTLS\r\n"
    starttls = {"CAPABILITY": injected}
    for answers, greeting, words in (
        ({}, b"* OK IMAP4rev1\r\n", "offers no STARTTLS"),
        (starttls, b"* PREAUTH IMAP4rev1\r\n", "logs in whoever comes"),
        (
            {**starttls, "STARTTLS": lambda t, _: f"{t} OK\r\n{t} OK\r\n".encode()},
            b"* OK IMAP4rev1\r\n",
            "STARTTLS failed",
        ),
        (starttls, b"* OK IMAP4rev1\r\n", "STARTTLS failed"),
        ({}, b"220 smtp\r\n", "is no IMAP server"),
    ):
        with scripted(answers, greeting=greeting) as server:
            url = f"imap://me@127.0.0.1:{server.port}/"
            source = Source(
                mailbox=mailbox,
                kind="imap",
                location=url,
                settings={"password": "geheim"},
            )
            assert words in try_source(source).text
            assert b"geheim" not in b"".join(server.heard)
    source.location = "imap+plain://me@192.0.2.1/"
    assert "is another machine" in try_source(source).text


# --- Hostile servers --------------------------------------------------------------


def hostile(bodies, count=3):
    """A folder of some mails; `bodies` says how each is handed over."""
    everything = range(1, count + 1)

    def uids(line):
        for part in line.split()[2].split(","):
            first, _, last = part.partition(":")
            yield from range(int(first), int(last or first) + 1)

    def fetch(tag, line):
        if "SIZE" in line:
            date = b'INTERNALDATE "01-Jan-2026 10:00:00 +0000"'
            return b"".join(
                b"* %d FETCH (UID %d RFC822.SIZE 200 %s)\r\n" % (uid, uid, date)
                for uid in uids(line)
            )
        answer = b""
        for uid in uids(line):
            body = bodies.get(uid, one(uid))
            if callable(body):
                return body(tag, b"* %d FETCH (UID %d BODY[] " % (uid, uid))
            if body is not None:
                size = len(body)
                answer += b"* %d FETCH (UID %d BODY[] {%d}\r\n%s)\r\n" % (
                    *(uid, uid, size, body),
                )
        return answer

    found = b"* SEARCH " + b" ".join(b"%d" % uid for uid in everything) + b"\r\n"
    return {"UID SEARCH": found, "UID FETCH": fetch}


# What a server may say instead of a mail: given a tag, and how its answer begins.
BAD = [
    lambda tag, begun: begun + b"{2147483648}\r\n" + b"x" * 100_000,
    lambda tag, begun: begun + b"x" * 1_200_000,
    lambda tag, begun: begun + b"(" * 5_000 + b"\r\n",
    lambda tag, begun: begun + b"NIL)\r\n",
    lambda tag, begun: f"{tag} NO it is broken\r\n".encode(),
    lambda tag, begun: f"{tag} BAD what?\r\n".encode(),
    lambda tag, begun: None,
    lambda tag, begun: b"* 2 FETCH (FLAGS (\\Seen)) \r\n" * 100_000,
    lambda tag, begun: begun + b"{-5}\r\n)\r\n",
]


def test_mails_that_can_not_be_fetched_stop_no_other(mailbox, ingest, capsys, settings):
    # What an answer may be beyond the largest mail is soon reached.
    settings.MAIL_SIZE_LIMIT = 100_000
    count = 2 * len(BAD) + 1
    bad = {2 * number + 2: answer for number, answer in enumerate(BAD)}
    good = [number for number in range(1, count + 1) if number not in bad]
    with scripted(hostile(bad, count)) as server:
        source = reading(mailbox, server.url())
        assert ingest() == 1
        said = capsys.readouterr().err
        assert [uid for uid in bad if f"Mail {uid} can't be fetched" not in said] == []
        states = dict(IngestRecord.objects.values_list("ref", "state"))
        assert states == {
            **{str(uid): "done" for uid in good},
            **{str(uid): "unfetchable" for uid in bad},
        }
        assert told() == []
        # Not asked for again at once; in time, and then it comes.
        heard = len(server.heard)
        assert ingest() == 0
        assert not any(b"BODY" in line for line in server.heard[heard:])
        server.answers.update(hostile({}, count))
        past = timezone.now() - timedelta(seconds=1)
        source.records.filter(state="unfetchable").update(claimed_until=past)
        assert ingest() == 0
        assert Message.objects.count() == count
        assert source.records.count() == count
        assert [line for law in LAWS for line in law.broken()] == []


def test_what_vanishes_between_listing_and_reading_is_no_error(mailbox, ingest):
    with scripted(hostile({2: None})) as server:
        reading(mailbox, server.url())
        assert ingest() == 0
        assert texts() == ["1", "3"]
        assert not IngestRecord.objects.filter(state="unfetchable").exists()


def test_a_server_that_hands_over_nothing_is_an_outage(mailbox, ingest, monkeypatch):
    monkeypatch.setattr(imap, "_MOST_UNFETCHABLE", 1)
    refuse = {n: lambda t, _: f"{t} NO not today\r\n".encode() for n in (1, 2, 3)}
    with scripted(hostile(refuse)) as server:
        reading(mailbox, server.url())
        assert ingest() == 1
        assert told() == ["mailbox.error"]
        assert IngestRecord.objects.count() == 1


def test_an_answer_that_never_ends_is_left(mailbox, ingest, monkeypatch):
    monkeypatch.setattr(imapwire, "READ_SECONDS", 0.3)
    monkeypatch.setattr(imapwire, "ANSWER_SECONDS", 1)
    with scripted({**hostile({}), "UID SEARCH": lambda *_: (sleep(2), b"")[1]}) as late:
        reading(mailbox, late.url())
        began = monotonic()
        assert ingest() == 1
        assert monotonic() - began < 15
        assert told() == ["mailbox.error"]


# --- Outages ----------------------------------------------------------------------


def test_an_outage_is_told_once_and_its_end_once(mailbox, ingest, imap_server, capsys):
    user = imap_server.new_user()
    source = reading(mailbox, f"imaps://{user}@localhost:{free_port()}/")
    for _ in range(2):
        assert ingest() == 1
    assert "Nothing answers" in capsys.readouterr().err
    assert told() == ["mailbox.error"]
    source.refresh_from_db()
    assert source.last_error.startswith("Nothing answers")
    Source.objects.update(
        location=imap_server.url(user), settings=imap_server.settings()
    )
    Source.objects.filter(pk=source.pk).update(settings=imap_server.settings())
    for _ in range(2):
        assert ingest() == 0
    assert told() == ["mailbox.error", "mailbox.recovered"]
    source.refresh_from_db()
    assert (source.last_error, source.failing_since) == ("", None)


def test_a_server_that_refuses_the_login_is_not_asked_again_at_once(mailbox, ingest):
    def refuse(tag, _line):
        return f"{tag} NO [AUTHENTICATIONFAILED] nee\r\n".encode()

    with scripted({"LOGIN": refuse}) as server:
        source = reading(mailbox, server.url())
        for _ in range(3):
            assert ingest() == 1
        logins = [line for line in server.heard if b"LOGIN" in line]
        assert len(logins) == 1
        source.refresh_from_db()
        spared = source.spared_until - timezone.now()
        assert spared > timedelta(seconds=outages.SPARED_SECONDS - 30)
        assert "refuses the login" in source.last_error


# --- Watching ---------------------------------------------------------------------


@pytest.fixture
def watching():
    """Listens to what is configured, as `ingest --watch` does."""
    with Parsers() as parsers:

        def ingest(source, door, stopped):
            limit = project.MAIL_SIZE_LIMIT
            options = Options(limit=limit, parsers=parsers, stopped=stopped)
            return take_in(source, door, options)

        listeners = listening.Listeners(ingest)
        yield lambda: listeners.keep(Source.objects.all())
        listeners.close()
        connection.close()


def until(condition, seconds=30):
    give_up = monotonic() + seconds
    while not condition():
        assert monotonic() < give_up, "it did not happen"
        sleep(0.05)


def test_mail_is_pushed_also_after_a_drop_in_silence_and_beside_a_broken_server(
    mailbox, imap_server, watching, monkeypatch
):
    user = imap_server.new_user()
    silent = free_port()
    reading(mailbox, f"imaps://me@localhost:{silent}/")
    with imap_server.client(user) as client:
        client.append("INBOX", one(1))
        reading(mailbox, imap_server.url(user), settings=imap_server.settings())
        watching()
        until(lambda: texts() == ["1"])
        client.append("INBOX", one(2))
        began = monotonic()
        until(lambda: texts() == ["1", "2"])
        assert monotonic() - began < 10
    imap_server.drop(user)
    with imap_server.client(user) as client:
        client.append("INBOX", one(3))
    until(lambda: texts() == ["1", "2", "3"])
    watching()
    assert told() == ["mailbox.error"]


# --- Once it is stored ------------------------------------------------------------


def test_what_becomes_of_a_mail_over_there_happens_after_it_is_stored(
    mailbox, imap_server, ingest, capsys
):
    user = imap_server.new_user()
    source = reading(
        mailbox, imap_server.url(user), settings=imap_server.settings(), after="seen"
    )
    with imap_server.client(user) as client:
        client.append("INBOX", one(1))
        assert ingest() == 0
        client.select_folder("INBOX")
        assert b"\\Seen" in client.get_flags([1])[1]
        # A folder that is not there: said, tried again, and done when it is.
        Source.objects.update(after="move", move_to="Archief")
        client.append("INBOX", one(2))
        assert ingest() == 1
        assert "Mail is stored, but" in capsys.readouterr().err
        assert texts() == ["1", "2"]
        client.create_folder("Archief")
        assert ingest() == 0
        client.select_folder("Archief")
        assert len(client.search()) == 1
        # To delete it waits some days.
        Source.objects.update(after="delete", grace_days=2)
        client.append("INBOX", one(3))
        assert ingest() == 0
        client.select_folder("INBOX")
        assert len(client.search()) == 2
        source.records.update(updated_at=timezone.now() - timedelta(days=3))
        assert ingest() == 0
        client.select_folder("INBOX")
        assert client.search() == [1]
    assert not source.records.exclude(cleanup="").exists()
    assert Message.objects.count() == 3


# --- OAuth ------------------------------------------------------------------------


class Provider(ThreadingHTTPServer):
    """Gives access tokens for refresh tokens, and says which are good."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Provider)
        self.url = f"http://127.0.0.1:{self.server_port}/"
        self.refresh, self.good, self.given = "r0", set(), 0
        self.user = ""
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Provider(BaseHTTPRequestHandler):
    def do_GET(self):
        bearer = self.headers.get("Authorization", "").partition(" ")[2]
        good = bearer in self.server.good
        self._say(200 if good else 401, {"active": good, "email": self.server.user})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if f"refresh_token={self.server.refresh}&" not in body + "&":
            self._say(400, {"error": "invalid_grant"})
            return
        self.server.given += 1
        self.server.refresh = f"r{self.server.given}"
        access = f"a{self.server.given}"
        self.server.good.add(access)
        answer = {"access_token": access, "expires_in": 3600}
        self._say(200, {**answer, "refresh_token": self.server.refresh})

    def _say(self, status, value):
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def test_oauth_renews_its_token_once_and_says_when_the_permission_is_gone(
    mailbox, ingest, capsys
):
    provider = Provider()
    with dovecot(introspection=provider.url) as server:
        user = provider.user = server.new_user()
        with server.client(user) as client:
            client.append("INBOX", one(1))
        grant = {
            "client_id": "mailbelly",
            "client_secret": "s",
            "refresh_token": "r0",
            "token_url": provider.url,
            "authority": server.authority,
        }
        source = reading(mailbox, server.url(user), settings=grant)
        for _ in range(2):
            assert ingest() == 0
        assert texts() == ["1"]
        assert provider.given == 1
        # Taken back before its time: a new one, with the newest refresh token.
        provider.good.clear()
        assert ingest() == 0
        assert provider.given == 2
        with connection.cursor() as cursor:
            cursor.execute("SELECT settings, tokens FROM threads_source")
            stored = "".join(cursor.fetchone())
        assert "r0" not in stored.split('"')
        assert source.settings["refresh_token"] == "r0"
        # The permission is gone.
        provider.good.clear()
        provider.refresh = "gone"
        assert ingest() == 1
        assert "invalid_grant" in capsys.readouterr().err
        asked = provider.given
        assert ingest() == 1
        assert provider.given == asked
    provider.shutdown()
    provider.server_close()
