"""How fast mail comes in from an IMAP server, against the same mails from a Maildir.

    python -m bench.imap [--mails N] [--rounds N] [--idle N] [--postgresql]

A Dovecot of its own (apt install dovecot-imapd) on this machine, over TLS. Then mails
are appended one by one while `ingest --watch` waits in IDLE: until they are stored.
"""

import argparse
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, closing
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlsplit

import psycopg

from bench.corpus import Corpus, mails
from bench.databases import Databases, SQLite, postgresql
from bench.goals import Goal, head, turns
from bench.ingest import EVENTS, NOBODY, Ours
from bench.latency import MAIL
from bench.ours import ADDRESS, MailBelly
from tests.imapservers import PASSWORD, Dovecot, dovecot

RATE = Goal("IMAP", "`ingest` from Dovecot, against a Maildir", 0.6, 1, unit="%")
IDLE = Goal("IMAP", "APPEND to stored, p95", 2000, 500, at_most=True, unit="ms")


class FromImap:
    """A mailbox on a server that knows as many users as there are rounds."""

    def __init__(self, databases: Databases, corpus: Corpus, server: Dovecot) -> None:
        self.databases, self.corpus, self.server = databases, corpus, server
        self.user = server.new_user()
        site = self.site(databases.create("imap"))
        site.manage("migrate", "--verbosity", "0")
        self.configure(site)
        site.script("listener", NOBODY, *EVENTS)

    def site(self, url: str) -> MailBelly:
        site = MailBelly(url)
        site.environment |= {
            "IMAP_PASSWORD": PASSWORD,
            "SSL_CERT_FILE": str(self.server.base / "cert.pem"),
        }
        return site

    def configure(self, site: MailBelly) -> None:
        url = self.server.url(self.user)
        site.manage("create_mailbox", ADDRESS, "--imap", url)

    def fill(self) -> None:
        """The corpus as Dovecot keeps it, without asking Dovecot."""
        folder = self.server.base / "mail" / self.user
        self.corpus.fill(folder)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.server.uid, -1)

    def rate(self) -> float:
        site = self.site(self.databases.create("imap-now", template="imap"))
        self.user_is_empty()
        start, _ = site.timed("ingest")
        self.fill()
        seconds, said = site.timed("ingest")
        if said["stored"] != len(self.corpus.files):
            sys.exit(f"MailBelly stored {said}")
        return len(self.corpus.files) / (seconds - start)

    def user_is_empty(self) -> None:
        shutil.rmtree(self.server.base / "mail" / self.user, ignore_errors=True)

    def pushed(self, count: int) -> list[float]:
        """Milliseconds from the end of APPEND to the row, for each mail."""
        url = self.databases.create("imap-now", template="imap")
        site = self.site(url)
        self.user_is_empty()
        took = []
        with (
            closing(_stored(url)) as stored,
            self.server.client(self.user) as client,
            ExitStack() as stack,
        ):
            process = site.start("ingest", "--watch")
            stack.callback(process.wait)
            stack.callback(process.terminate)
            for number in range(count + 1):
                sleep(0.3)
                client.append("INBOX", MAIL % (number, number, number))
                begun = monotonic()
                while next(stored) <= number:
                    if monotonic() - begun > 90:
                        sys.exit("a mail did not come")
                    sleep(0.005)
                took.append((monotonic() - begun) * 1000)
        return took[1:]  # the first waits until it is up


def _stored(url: str) -> Generator[int, None, None]:
    """How many messages there are, each time it is asked."""
    if url.startswith("sqlite"):
        path = urlsplit(url).path
        with closing(sqlite3.connect(path, timeout=20)) as database:
            while True:
                yield database.execute(
                    "SELECT count(*) FROM threads_message"
                ).fetchone()[0]
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            yield connection.execute("SELECT count(*) FROM threads_message").fetchone()[
                0
            ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mails", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle", type=int, default=40)
    parser.add_argument("--postgresql", action="store_true")
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="mailbelly-bench-"))
        )
        databases = (
            stack.enter_context(postgresql()) if asked.postgresql else SQLite(folder)
        )
        corpus = Corpus(folder / "corpus", mails(asked.mails))
        server = stack.enter_context(dovecot())
        head(f"{asked.mails} mails of {corpus.bytes / asked.mails / 1000:.0f} kB")
        imap = FromImap(databases, corpus, server)
        if asked.rounds:
            maildir = Ours(databases, folder, corpus)
            found = turns(asked.rounds, {"imap": imap.rate, "maildir": maildir.rate})
            ours, theirs = found["imap"], found["maildir"]
            figures = f"{ours} against {theirs} mails/s"
            RATE.report(ours.median / theirs.median, figures)
        if asked.idle:
            took = imap.pushed(asked.idle)
            p95 = statistics.quantiles(took, n=20)[-1]
            IDLE.report(p95, f"p50 {statistics.median(took):.0f} ms")


if __name__ == "__main__":
    main()
