"""How fast mail comes in: G1, G3 and G4 (and G2, G6).

    python -m bench.ingest [--mails N] [--rounds N] [--only G1,G2]

Everyone takes in the same mails from a Maildir (django-helpdesk: from a folder), as a
process of its own, told to do one pass. Counted is the wall clock of that process less
the wall clock of the same process with nothing to take in, measured just before. For
MailBelly that is `manage.py ingest` on a mailbox with one webhook that listens to
everything, so threads, events and deliveries are part of it. G6 is two such processes
at once, on two mailboxes of one installation.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from bench.corpus import Corpus, empty, mails
from bench.databases import Databases, SQLite, postgresql
from bench.goals import Goal, head, turns
from bench.ours import ADDRESS, ROOT, MailBelly
from bench.peers import Peer

if TYPE_CHECKING:
    from collections.abc import Callable

G1 = Goal("G1", "`ingest`, PostgreSQL, against django-mailbox", 2.5, 5)
G2 = Goal("G2", "`ingest`, PostgreSQL, against django-helpdesk", 10, 20)
G3 = Goal("G3", "`ingest`, SQLite, against django-mailbox", 2.2, 4)
G4 = Goal("G4", "`ingest`, PostgreSQL, against parsing alone", 0.45, 1, unit="%")
G6 = Goal("G6", "two `ingest` on two mailboxes, against one", 1.6, 1.9)
HELPDESK_SHARE = 5  # it gets a fifth of the mails: it is slow
OURS, BOTH = "mailbelly", "two at once"
OTHER = "verkoop@shop.nl"
# What mail causes, told to somebody whom nobody calls.
NOBODY = "http://127.0.0.1:9999/"
EVENTS = ("message.received", "thread.created", "thread.reopened")
Command = tuple[list[str], dict[str, str]]
THEIRS = {
    "G1": "django-mailbox",
    "G2": "django-helpdesk",
    "G3": "django-mailbox",
    "G4": "parsing alone, one core",
}


class Ours:
    """A mailbox that has been read once, empty; each time as new."""

    def __init__(self, databases: Databases, folder: Path, corpus: Corpus) -> None:
        self.databases, self.corpus = databases, corpus
        self.maildir = folder / "ours"
        empty(self.maildir)
        site = MailBelly(databases.create("ours"))
        site.manage("migrate", "--verbosity", "0")
        site.manage("create_mailbox", ADDRESS, "--maildir", str(self.maildir))
        site.script("listener", NOBODY, *EVENTS)
        site.manage("ingest")

    def fresh(self) -> MailBelly:
        empty(self.maildir)
        return MailBelly(self.databases.create("ours-now", template="ours"))

    def rate(self) -> float:
        site = self.fresh()
        start, _ = site.timed("ingest", "--mailbox", ADDRESS)
        self.corpus.fill(self.maildir)
        seconds, said = site.timed("ingest", "--mailbox", ADDRESS)
        if said["stored"] != len(self.corpus.files):
            sys.exit(f"MailBelly stored {said}")
        return len(self.corpus.files) / (seconds - start)

    def ready(self, further: bytes = b"") -> Command:
        """A pass over the corpus, not yet begun; and over one mail more."""
        site = self.fresh()
        self.corpus.fill(self.maildir)
        if further:
            (self.maildir / "new" / "1700000001.large.host").write_bytes(further)
        return site.command("ingest"), site.environment


class Both(Ours):
    """Two mailboxes, each with as many mails of its own, and a process for each."""

    def __init__(self, databases: Databases, folder: Path, corpus: Corpus) -> None:
        super().__init__(databases, folder, corpus)
        count = len(corpus.files)
        self.other = Corpus(folder / "other", mails(count, seed=2, address=OTHER))
        self.second = folder / "second"
        empty(self.second)
        site = MailBelly(databases.url("ours"))
        site.manage("create_mailbox", OTHER, "--maildir", str(self.second))
        site.manage("ingest")

    def alone(self) -> float:
        empty(self.second)
        return super().rate()

    def rate(self) -> float:
        site = self.fresh()
        empty(self.second)
        start = self._pass(site)
        self.corpus.fill(self.maildir)
        self.other.fill(self.second)
        mails = len(self.corpus.files) + len(self.other.files)
        return mails / (self._pass(site) - start)

    @staticmethod
    def _pass(site: MailBelly) -> float:
        begun = perf_counter()
        processes = [
            site.start("ingest", "--mailbox", address) for address in (ADDRESS, OTHER)
        ]
        for process in processes:
            said, _ = process.communicate()
            if process.returncode:
                sys.exit(f"MailBelly ended with {process.returncode}: {said}")
        return perf_counter() - begun


class Theirs:
    """A peer whose module takes in a folder and prints how many there are."""

    def __init__(
        self,
        name: str,
        module: str,
        databases: Databases,
        folder: Path,
        corpus: Corpus,
        *,
        place: str = "",
    ) -> None:
        self.name, self.module, self.databases = name, module, databases
        self.corpus, self.folder, self.place = corpus, folder, place
        self.maildir = folder / name
        self._peer(databases.create(name)).run("django", "migrate", "-v", "0")

    def _peer(self, url: str) -> Peer:
        return Peer(self.name, url, self.folder / f"{self.name}-media")

    def fresh(self) -> Peer:
        empty(self.maildir)
        return self._peer(self.databases.create(f"{self.name}-now", template=self.name))

    def rate(self) -> float:
        peer = self.fresh()
        start, _ = self._pass(peer)
        self.corpus.fill(self.maildir)
        seconds, stored = self._pass(peer)
        if stored != len(self.corpus.files):
            sys.exit(f"{self.name} stored {stored}")
        return len(self.corpus.files) / (seconds - start)

    def ready(self) -> Command:
        peer = self.fresh()
        self.corpus.fill(self.maildir)
        return peer.command(
            self.module, str(self.maildir / self.place)
        ), peer.environment

    def _pass(self, peer: Peer) -> tuple[float, int]:
        begun = perf_counter()
        said = peer.run(self.module, str(self.maildir / self.place))
        return perf_counter() - begun, int(said.split()[-1])


def parse_rate(folder: Path) -> float:
    said = subprocess.run(
        [sys.executable, "-m", "bench.ours.parse_rate", str(folder)],
        cwd=ROOT,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    )
    return float(said.stdout)


def measure(folder: Path, count: int, rounds: int, wanted: set[str]) -> None:
    corpus = Corpus(folder / "corpus", mails(count))
    head(f"{count} mails of {corpus.bytes / count / 1000:.0f} kB, mails/s")
    goals = [goal for goal in (G1, G2, G4) if goal.name in wanted]
    if goals:
        with postgresql() as databases:
            speed(databases, folder, corpus, rounds, goals)
    if G6.name in wanted:
        with postgresql() as databases:
            ours = Both(databases, folder, corpus)
            found = turns(rounds, {OURS: ours.alone, BOTH: ours.rate})
            one, two = found[OURS], found[BOTH]
            G6.report(two.median / one.median, f"{two} against {one}")
    if "G3" in wanted:
        place = folder / "sqlite"
        place.mkdir()
        speed(SQLite(place), place, corpus, rounds, [G3])


def speed(
    databases: Databases, folder: Path, corpus: Corpus, rounds: int, goals: list[Goal]
) -> None:
    measures: dict[str, Callable[[], float]] = {
        OURS: Ours(databases, folder, corpus).rate
    }
    for theirs in {THEIRS[goal.name] for goal in goals}:
        if theirs == "django-mailbox":
            measures[theirs] = django_mailbox(databases, folder, corpus).rate
        elif theirs == "django-helpdesk":
            measures[theirs] = django_helpdesk(databases, folder, corpus).rate
        else:
            measures[theirs] = lambda: parse_rate(corpus.folder)
    found = turns(rounds, measures)
    for goal in goals:
        ours, theirs = found[OURS], found[THEIRS[goal.name]]
        goal.report(ours.median / theirs.median, f"{ours} against {theirs}")


def django_mailbox(databases: Databases, folder: Path, corpus: Corpus) -> Theirs:
    module = "bench.peers.django_mailbox"
    return Theirs("django-mailbox", module, databases, folder, corpus)


def django_helpdesk(databases: Databases, folder: Path, corpus: Corpus) -> Theirs:
    few = Corpus(folder / "few", mails(len(corpus.files) // HELPDESK_SHARE))
    module = "bench.peers.django_helpdesk"
    return Theirs("django-helpdesk", module, databases, folder, few, place="new")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mails", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="G1,G3,G4")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailbelly-bench-") as folder:
        measure(Path(folder), asked.mails, asked.rounds, set(asked.only.split(",")))


if __name__ == "__main__":
    main()
