"""A Postfix of our own, with its own configuration and queue; nothing of the system's.

It takes mail by SMTP for shop.nl and hands it to MailBelly, as docs/operations.md says.
"""

import json
import os
import pwd
import shutil
import smtplib
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.imapservers import free_port
from tests.processes import ROOT, eventually
from tests.programs import program

_MAIN = """
compatibility_level = 3.6
queue_directory = {base}/queue
data_directory = {base}/data
maillog_file = {base}/log
maillog_file_prefixes = {base}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.shop.nl
mydestination =
alias_maps =
smtpd_relay_restrictions = permit_mynetworks, reject
default_transport = discard:
relay_transport = discard:
recipient_delimiter = +
virtual_mailbox_domains = shop.nl
virtual_mailbox_maps = static:x
virtual_transport = {transport}
lmtp_destination_recipient_limit = 50
message_size_limit = 100000000
mailbelly_destination_recipient_limit = 1
minimal_backoff_time = 2s
maximal_backoff_time = 2s
queue_run_delay = 1s
transport_retry_time = 1s
"""
# The services that a way from SMTP to a mailbox passes; none of them in a chroot.
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
mailbelly unix - n n - 2 pipe
  flags=DRXhu user=nobody directory={root}
  argv={pipe} ${{recipient}}
"""
# Postfix gives a pipe an empty environment; `fault` makes one process die in a step.
_PIPE = """#!/bin/sh
. {base}/environment
[ -f {base}/fault ] && mv {base}/fault {base}/fault.$$ 2>/dev/null &&
  export FAULT_STEP=$(cat {base}/fault.$$)
exec {python} manage.py ingest --stdin --to "$1"
"""


class Postfix:
    def __init__(self, base, transport, environment):
        if os.geteuid():
            pytest.skip("Postfix starts as root")
        program("postfix", path="/usr/sbin:/usr/bin")
        self.base, self.port = base, free_port()
        base.chmod(0o755)
        for name in ("queue", "data", "etc"):
            (base / name).mkdir()
        owner = pwd.getpwnam("postfix")
        os.chown(base / "data", owner.pw_uid, owner.pw_gid)
        pipe = base / "pipe"
        pipe.write_text(_PIPE.format(base=base, python=sys.executable))
        pipe.chmod(0o755)
        # What a process of the tests is given, and no more than a shell can say.
        (base / "environment").write_text(
            "".join(
                f"export {name}={_quoted(value)}\n"
                for name, value in environment.items()
                if name.isidentifier() and name != "PATH"
            )
        )
        # `nobody` takes orders by taking them away.
        base.chmod(0o777)
        main = _MAIN.format(base=base, transport=transport)
        (base / "etc" / "main.cf").write_text(main)
        master = _MASTER.format(port=self.port, root=ROOT, pipe=pipe)
        (base / "etc" / "master.cf").write_text(master)

    def _run(self, name, *arguments):
        tool = shutil.which(name, path="/usr/sbin:/usr/bin")
        return subprocess.run(
            [tool, "-c", str(self.base / "etc"), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self):
        started = self._run("postfix", "start")
        assert not started.returncode, started.stderr + self.log()
        return self

    def stop(self):
        self._run("postfix", "stop")

    def log(self):
        file = self.base / "log"
        return file.read_text() if file.exists() else ""

    def send(self, content, *recipients, sender="klant@bedrijf.nl"):
        with smtplib.SMTP("127.0.0.1", self.port) as client:
            client.sendmail(sender, list(recipients), content)

    def fault(self, step):
        """The next process of the pipe dies there."""
        waiting = self.base / "fault.new"
        waiting.write_text(step)
        waiting.chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
        waiting.rename(self.base / "fault")

    def queue(self):
        """What it still has, and why."""
        listed = self._run("postqueue", "-j").stdout.splitlines()
        return [json.loads(line) for line in listed]

    def empties(self, seconds=60):
        eventually(
            lambda: not self.queue(), seconds, lambda: f"{self.queue()}\n{self.log()}"
        )


def _quoted(value):
    return "'" + value.replace("'", "'\\''") + "'"


@contextmanager
def postfix(transport, environment=None):
    with tempfile.TemporaryDirectory(prefix="mailbelly-postfix-") as folder:
        server = Postfix(Path(folder), transport, environment or {})
        server.start()
        try:
            yield server
        finally:
            server.stop()
