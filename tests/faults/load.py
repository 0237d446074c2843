"""A house under load, each door in use, and everybody in it may be killed.

Mail comes into a Maildir, to an IMAP server, by LMTP and by pipe. Two watchers, a cron
`ingest`, an LMTP listener, a sender and a worker are at it. Whoever died is started
again, and an MTA keeps what it was not told is stored.
"""

import asyncio
import io
import os
import signal
import smtplib
import sys
import threading
from collections import Counter
from contextlib import suppress
from itertools import count
from queue import Queue
from time import monotonic, sleep

from django.core.management import call_command
from django.db import connection

from tests.faults.harness import begun
from tests.lmtp import hand
from tests.mails import Maildir, mail
from tests.processes import descendants
from threads.lmtp import Address, Listener
from threads.models import IngestRecord, Mailbox, Message, Source
from threads.parsers import Parsers
from webhooks import subscriptions
from webhooks.leases import in_seconds
from webhooks.models import Delivery, Event

RECOVERY_SECONDS = 120


def watching():
    call_command("ingest", "--watch")


def cron():
    while True:
        with suppress(SystemExit):
            call_command("ingest")
        sleep(0.5)


def sending():
    while True:
        call_command("deliver", "--once")
        sleep(0.1)


def listening(path):
    async def run():
        await Listener(Address(path=path), parsers, mode=0o600).serve(lambda: None)

    with Parsers() as parsers:
        asyncio.run(run())


class Crew:
    """Processes that are killed, and started again; what they say is in `log`."""

    def __init__(self, log, **works):
        self.log, self.works = log, works
        self.pids = {name: self._begun(name) for name in works}
        self.killed = Counter()
        self.left = Counter()

    def _begun(self, name):
        def work():
            with self.log.open("ab") as said:
                os.dup2(said.fileno(), 2)
            self.works[name]()

        return begun(work)

    def kill(self, name):
        with suppress(ProcessLookupError):
            os.kill(self.pids[name], signal.SIGKILL)
        self._again(name, os.waitpid(self.pids[name], 0)[1])

    def signal(self, name, number):
        os.kill(self.pids[name], number)

    def revive(self):
        """Whoever ended by itself, as an init system would."""
        for name, pid in self.pids.items():
            gone, status = os.waitpid(pid, os.WNOHANG)
            if gone:
                self._again(name, status)

    def _again(self, name, status):
        ended = os.waitstatus_to_exitcode(status)
        (self.killed if ended == -signal.SIGKILL else self.left)[name] += 1
        self.pids[name] = self._begun(name)

    def end(self):
        for pid in self.pids.values():
            for one in [pid, *descendants(pid)]:
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.pids = {}


class Mta(threading.Thread):
    """Gives its mails by LMTP, each until somebody has said 250."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.queue = Queue()

    def run(self):
        while (given := self.queue.get()) is not None:
            while not self._taken(*given):
                sleep(0.05)
            self.queue.task_done()

    def _taken(self, content, recipient):
        with suppress(OSError, smtplib.SMTPException):
            client = smtplib.LMTP(self.path, timeout=60)
            with client:
                client.ehlo_or_helo_if_needed()
                return hand(client, content, recipient) == [250]
        return False


class Load:
    """`environment` is for processes of their own, `imap` a server or None."""

    def __init__(self, folder, environment, receiver, dice, imap=None):
        self.dice, self.receiver, self.imap = dice, receiver, imap
        self.expected = []
        self.piped = 0
        self.maildir = Maildir(folder / "Maildir")
        support = Mailbox.objects.create(address="support@shop.nl")
        Mailbox.objects.create(address="sales@shop.nl")
        Source.objects.create(
            mailbox=support, kind="maildir", location=str(self.maildir.path)
        )
        doors = {"maildir": self._to_maildir, "lmtp": self._to_lmtp}
        if imap:
            self._make_imap()
            doors["imap"] = self._to_imap
        self.doors = list(doors.values())
        subscriptions.create({"url": receiver.url, "events": ["message.received"]})
        self.mta = Mta(str(folder / "lmtp"))
        self.mta.start()

        def working():
            os.environ.update(environment)
            call_command("worker")

        self.crew = Crew(
            folder / "crew.log",
            one=watching,
            two=watching,
            cron=cron,
            sender=sending,
            worker=working,
            lmtp=lambda: listening(self.mta.path),
        )

    def _make_imap(self):
        self.user = self.imap.new_user()
        with self.imap.client(self.user) as client:
            client.create_folder("Archief")
        Source.objects.create(
            mailbox=Mailbox.objects.create(address="info@shop.nl"),
            kind="imap",
            location=self.imap.url(self.user),
            settings=self.imap.settings(),
            start="all",
            report_old=True,
            after="move",
            move_to="Archief",
        )
        self.on_imap = 0

    # --- Mail ------------------------------------------------------------------------

    def _mail(self):
        number = len(self.expected)
        answers = {"in_reply_to": f"<{number - 1}@x>"} if number % 3 else {}
        self.expected.append(f"{number}@x")
        return mail(message_id=f"<{number}@x>", text=f"{number}\n", **answers)

    def arrive(self, most=5):
        for _ in range(self.dice.randrange(most + 1)):
            self.dice.choice(self.doors)()

    def _to_maildir(self):
        folder = self.dice.choice(["new", "new", "cur"])
        self.maildir.deliver(self._mail(), folder=folder)

    def _to_lmtp(self):
        recipient = self.dice.choice(["sales@shop.nl", "support@shop.nl"])
        self.mta.queue.put((self._mail(), recipient))

    def _to_imap(self):
        with self.imap.client(self.user) as client:
            client.append("INBOX", self._mail())
        self.on_imap += 1

    def pipe(self):
        """Given until it is taken; the first three times its process is killed."""
        content = self._mail()
        for tries in count():
            seconds = self.dice.uniform(0.0, 0.6) if tries < 3 else None
            code = os.waitstatus_to_exitcode(self._given(content, seconds))
            self.piped += code == -signal.SIGKILL
            if code == 0:
                return

    def _given(self, content, killed_after=None):
        """How the process of a pipe ended."""

        def give():
            sys.stdin = io.TextIOWrapper(io.BytesIO(content))
            call_command("ingest", "--stdin", "--to", "support@shop.nl")

        pid = begun(give)
        if killed_after is not None:
            sleep(killed_after)
            os.kill(pid, signal.SIGKILL)  # it may be a zombie by now
        return os.waitpid(pid, 0)[1]

    def refuses(self):
        """Whether LMTP and a pipe say: try again later."""
        content = mail(message_id="<refused@x>")
        with smtplib.LMTP(self.mta.path, timeout=60) as client:
            client.ehlo_or_helo_if_needed()
            lmtp = hand(client, content, "sales@shop.nl")
        return lmtp == [451] and os.waitstatus_to_exitcode(self._given(content)) > 0

    # --- Trouble ---------------------------------------------------------------------

    @property
    def kills(self):
        return self.crew.killed.total() + self.piped

    def freeze(self):
        """Who stands still from now on; `rest` lets it go on.

        On SQLite it goes on soon: it may be the one that writes, and nobody can take
        that from it.
        """
        name = self.dice.choice(["one", "two", "cron", "sender"])
        self.crew.signal(name, signal.SIGSTOP)
        if connection.vendor != "sqlite":
            return name
        sleep(self.dice.uniform(0.0, 2.0))
        self.crew.signal(name, signal.SIGCONT)
        return ""

    def drop_imap(self):
        if self.imap:
            self.imap.drop(self.user)

    def said(self):
        """For whoever reads why it failed."""
        lines = self.crew.log.read_text(errors="replace").splitlines()
        return "\n".join([str(self._busy()), *lines[-60:]])

    # --- What has become of it --------------------------------------------------------

    def rest(self, frozen="", *, expire=False):
        """Seconds until all that came is stored, told and put away.

        Who is `frozen` goes on when others have done its work.
        `expire`: the leases of the dead run out now; a short run has no time for that.
        """
        begin, took = monotonic(), 0.0
        while self._busy() and (took := monotonic() - begin) < RECOVERY_SECONDS:
            if expire and took > 1:
                past = in_seconds(-1)
                Delivery.objects.filter(state="claimed").update(claimed_until=past)
                Source.objects.filter(token__isnull=False).update(leased_until=past)
                expire = False
            self.crew.revive()
            sleep(0.1)
        if frozen:
            self.crew.signal(frozen, signal.SIGCONT)
            sleep(1)
        return took

    def _busy(self):
        """What is not done yet, in words for a person."""
        told = Event.objects.filter(type="message.received").count()
        doing = {
            "given to LMTP": self.mta.queue.unfinished_tasks,
            "without an event": len(self.expected) - told,
            "between the commits": IngestRecord.objects.filter(state="seen").count(),
            "not delivered": Delivery.objects.exclude(state="succeeded").count(),
            "in new/": len(self.maildir.names("new")),
            "in INBOX": self.imap and self._in("INBOX"),
        }
        return {name: count for name, count in doing.items() if count}

    def _in(self, folder):
        with self.imap.client(self.user) as client:
            return client.select_folder(folder, readonly=True)[b"EXISTS"]

    def counted(self):
        """`(lost, twice)`: of mails, events, what a receiver heard, and what moved."""
        stored = Counter(Message.objects.values_list("message_id", flat=True))
        told = Event.objects.filter(type="message.received").count()
        heard = {
            (headers["webhook-id"], body)
            for _path, headers, body in self.receiver.requests
            # Else its sender died while it spoke.
            if len(body) == int(headers["Content-Length"])
        }
        expected = len(self.expected)
        more = [told - expected, len(heard) - expected]
        if self.imap:
            more.append(self._in("Archief") - self.on_imap)
        lost = sum(not stored[one] for one in self.expected)
        twice = sum(times - 1 for times in stored.values())
        return (
            lost - sum(few for few in more if few < 0),
            twice + sum(many for many in more if many > 0),
        )

    def end(self):
        """Safe to repeat."""
        self.crew.end()
        self.mta.queue.put(None)
