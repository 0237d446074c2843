"""How fast and how lean mail comes in: G1, G2, G3, G4 and G20.

    python -m bench.ingest [--mails N] [--rounds N] [--only G1,G4]

Everyone takes in the same mails from a Maildir (django-helpdesk: from a folder), as a
process of its own, told to do one pass. Counted is the wall clock of that process less
the wall clock of the same process with nothing to take in, measured just before. For
MailBelly that is `manage.py ingest` on a mailbox with one webhook that listens to
everything, so threads, events and deliveries are part of it.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from bench.corpus import Corpus, empty, large, mails
from bench.databases import Databases, SQLite, postgresql
from bench.goals import Goal, machine, turns
from bench.memory import peak
from bench.ours import ADDRESS, ROOT, MailBelly
from bench.peers import Peer

if TYPE_CHECKING:
    from collections.abc import Callable

G1 = Goal("G1", "ingest, PostgreSQL, against django-mailbox", 2.5, 5)
G2 = Goal("G2", "ingest, PostgreSQL, against django-helpdesk", 10, 20)
G3 = Goal("G3", "ingest, SQLite, against django-mailbox", 2.2, 4)
G4 = Goal("G4", "ingest, PostgreSQL, against parsing alone", 0.45, 1, unit="%")
G20 = Goal("G20", "peak memory, against django-mailbox", 1, 0.8, at_most=True)
G20_LARGE = Goal("G20", "memory added by a 25 MB mail, in mails", 4, 3, at_most=True)
LARGE = 25_000_000
HELPDESK_SHARE = 5  # it gets a fifth of the mails: it is slow


class Ours:
    """A mailbox that has been read once, empty; each time as new."""

    def __init__(self, databases: Databases, folder: Path, corpus: Corpus) -> None:
        self.databases, self.corpus = databases, corpus
        self.maildir = folder / "ours"
        empty(self.maildir)
        site = MailBelly(databases.create("ours"))
        site.manage("migrate", "--verbosity", "0")
        site.manage("create_mailbox", ADDRESS, "--maildir", str(self.maildir))
        site.script("listener")
        site.manage("ingest")

    def fresh(self) -> MailBelly:
        empty(self.maildir)
        return MailBelly(self.databases.create("ours-now", template="ours"))

    def rate(self) -> float:
        site = self.fresh()
        start, _ = site.timed("ingest")
        self.corpus.fill(self.maildir)
        seconds, said = site.timed("ingest")
        if said["stored"] != len(self.corpus.files):
            sys.exit(f"MailBelly stored {said}")
        return len(self.corpus.files) / (seconds - start)

    def memory(self, further: bytes | None = None) -> float:
        site = self.fresh()
        self.corpus.fill(self.maildir)
        if further:
            (self.maildir / "new" / "1700000001.large.host").write_bytes(further)
        return peak(site.command("ingest"), site.environment, ROOT)


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

    def memory(self) -> float:
        peer = self.fresh()
        self.corpus.fill(self.maildir)
        command = peer.command(self.module, str(self.maildir / self.place))
        return peak(command, peer.environment, ROOT)

    def _pass(self, peer: Peer) -> tuple[float, int]:
        begun = perf_counter()
        said = peer.run(self.module, str(self.maildir / self.place))
        return perf_counter() - begun, int(said.split()[-1])


def parse_rate(folder: Path) -> float:
    said = subprocess.run(
        [sys.executable, "-m", "bench.parse_rate", str(folder)],
        cwd=ROOT,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    )
    return float(said.stdout)


def measure(folder: Path, count: int, rounds: int, wanted: set[str]) -> None:
    corpus = Corpus(folder / "corpus", mails(count))
    print(f"{count} mails, {corpus.bytes / count / 1000:.0f} kB each; {machine()}")
    if wanted & {"G1", "G2", "G4"}:
        with postgresql() as databases:
            speed(databases, folder, corpus, rounds, wanted - {"G3"})
    if "G20" in wanted:
        with postgresql() as databases:
            memory(databases, folder, corpus, rounds)
    if "G3" in wanted:
        place = folder / "sqlite"
        place.mkdir()
        speed(SQLite(place), place, corpus, rounds, {"G3"})


def speed(
    databases: Databases, folder: Path, corpus: Corpus, rounds: int, wanted: set[str]
) -> None:
    ours = Ours(databases, folder, corpus)
    measures: dict[str, Callable[[], float]] = {"mailbelly, mails/s": ours.rate}
    if wanted & {"G1", "G3"}:
        measures["django-mailbox"] = django_mailbox(databases, folder, corpus).rate
    if "G2" in wanted:
        few = Corpus(folder / "few", mails(len(corpus.files) // HELPDESK_SHARE))
        module = "bench.peers.django_helpdesk"
        measures["django-helpdesk"] = Theirs(
            "django-helpdesk", module, databases, folder, few, place="new"
        ).rate
    if "G4" in wanted:
        measures["parse only, one core"] = lambda: parse_rate(corpus.folder)
    found = turns(rounds, measures)
    for goal, name in (
        (G1, "django-mailbox"),
        (G2, "django-helpdesk"),
        (G3, "django-mailbox"),
        (G4, "parse only, one core"),
    ):
        if goal.name in wanted:
            goal.report(found["mailbelly, mails/s"] / found[name])


def memory(databases: Databases, folder: Path, corpus: Corpus, rounds: int) -> None:
    ours = Ours(databases, folder, corpus)
    content = large(LARGE)
    found = turns(
        rounds,
        {
            "mailbelly, MB": ours.memory,
            "with one mail of 25 MB more": lambda: ours.memory(content),
            "django-mailbox, MB": django_mailbox(databases, folder, corpus).memory,
        },
    )
    G20.report(found["mailbelly, MB"] / found["django-mailbox, MB"])
    more = found["with one mail of 25 MB more"] - found["mailbelly, MB"]
    G20_LARGE.report(more / (LARGE / 1e6))


def django_mailbox(databases: Databases, folder: Path, corpus: Corpus) -> Theirs:
    module = "bench.peers.django_mailbox"
    return Theirs("django-mailbox", module, databases, folder, corpus)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="G1,G2,G3,G4,G20")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailbelly-bench-") as folder:
        measure(Path(folder), asked.mails, asked.rounds, set(asked.only.split(",")))


if __name__ == "__main__":
    main()
