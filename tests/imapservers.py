"""IMAP servers for tests: a real Dovecot, and one that says whatever a test scripts."""

import os
import pwd
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from time import monotonic, sleep

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from imapclient import IMAPClient

from tests.processes import eventually
from tests.programs import program

PASSWORD = "geheim-woord"


def certificate(folder, *names, days=10):
    """A certificate for `names` (hosts or addresses) and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=20))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([*map(_name, names)]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert, private


def _name(text):
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


_CONFIGURATION = """
base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/dovecot.log
protocols = imap
listen = 127.0.0.1
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
default_vsz_limit = 0
first_valid_uid = 1
ssl = yes
ssl_cert = <{base}/cert.pem
ssl_key = <{base}/key.pem
disable_plaintext_auth = yes
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
mail_location = maildir:{base}/mail/%u:LAYOUT=fs
mailbox_idle_check_interval = 1 secs
mail_max_userip_connections = 100
maildir_very_dirty_syncs = no
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {base}/oauth2.conf.ext
}}
passdb {{
  driver = static
  mechanisms = plain login
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={base}/mail/%u
}}
"""
_OAUTH = """
introspection_mode = auth
introspection_url = {url}
username_attribute = email
active_attribute = active
active_value = true
"""


def has_dovecot():
    return bool(shutil.which("dovecot", path="/usr/sbin:/usr/bin"))


class Dovecot:
    """Any user name logs in with `PASSWORD`, over TLS or STARTTLS only."""

    def __init__(self, base, introspection="http://127.0.0.1:9/"):
        self.program = shutil.which("dovecot", path="/usr/sbin:/usr/bin") or program(
            "dovecot", "dovecot-imapd"
        )
        self.base = Path(base)
        self.base.chmod(0o755)
        certificate(self.base, "localhost", "127.0.0.1")
        self.port, self.starttls_port = free_port(), free_port()
        root = os.geteuid() == 0
        me = pwd.getpwuid(os.geteuid())
        self.uid = 65534 if root else me.pw_uid
        (self.base / "mail").mkdir()
        if root:
            os.chown(self.base / "mail", self.uid, self.uid)
        own = me.pw_name
        (self.base / "dovecot.conf").write_text(
            _CONFIGURATION.format(
                base=self.base,
                imap=self.starttls_port,
                imaps=self.port,
                password=PASSWORD,
                uid=self.uid,
                gid=self.uid if root else me.pw_gid,
                internal="dovecot" if root else own,
                internal_group="dovecot" if root else own,
                login="dovenull" if root else own,
            )
        )
        (self.base / "oauth2.conf.ext").write_text(_OAUTH.format(url=introspection))
        self.users = 0
        self.process = None

    @property
    def authority(self):
        return (self.base / "cert.pem").read_text()

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "-F", "-c", str(self.base / "dovecot.conf")],
            stderr=subprocess.PIPE,
        )
        until = monotonic() + 20
        while not self._answers():
            if self.process.poll() is not None or monotonic() > until:
                log = self.base / "dovecot.log"
                said = log.read_text() if log.exists() else ""
                raise AssertionError(f"dovecot: {self.process.stderr.read()} {said}")
            sleep(0.05)
        return self

    def _answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self):
        self.drop()
        self.process.terminate()
        self.process.wait(20)
        self.process.stderr.close()

    def drop(self, user=""):
        """Ends sessions without a word, as a crash or a NAT does."""
        log = (self.base / "dovecot.log").read_text()
        for found in re.finditer(r"Login: user=<([^>]*)>.*mpid=(\d+)", log):
            # The number may be another process's by now.
            with suppress(OSError):
                name = Path(f"/proc/{found[2]}/comm").read_text().strip()
                if user in {"", found[1]} and name == "imap":
                    os.kill(int(found[2]), 9)

    def new_user(self):
        self.users += 1
        return f"user{self.users}@shop.nl"

    def url(self, user, folder="INBOX", scheme="imaps"):
        port = self.port if scheme == "imaps" else self.starttls_port
        return f"{scheme}://{user}@localhost:{port}/{folder}"

    def client(self, user):
        """Another mail program, on the same account."""
        context = ssl.create_default_context(cadata=self.authority)
        client = IMAPClient("localhost", self.port, ssl_context=context)
        client.login(user, PASSWORD)
        return client

    def settings(self):
        return {"password": PASSWORD, "authority": self.authority}


@contextmanager
def dovecot(**options):
    with tempfile.TemporaryDirectory(prefix="mailbelly-dovecot-") as folder:
        server = Dovecot(folder, **options).start()
        try:
            yield server
        finally:
            server.stop()


class Scripted:
    """A server of a few lines: `answers` maps a command to what is said to it.

    An answer is bytes or a function of (tag, whole line) that gives bytes; None hangs
    up. What is not mapped is answered with OK. `heard` has every line.
    """

    def __init__(self, answers, greeting=b"* OK IMAP4rev1 ready\r\n", context=None):
        self.answers = {
            "CAPABILITY": b"* CAPABILITY IMAP4rev1\r\n",
            "EXAMINE": (
                b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 4] ok\r\n"
            ),
            **answers,
        }
        self.greeting, self.context = greeting, context
        self.heard = []
        self.sockets = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                line, _ = self.server.accept()
            except OSError:
                return
            self.sockets.append(line)
            threading.Thread(target=self._converse, args=(line,), daemon=True).start()

    def _converse(self, line):
        try:
            if self.context:
                line = self.context.wrap_socket(line, server_side=True)
            line.sendall(self.greeting)
            with line.makefile("rb") as heard:
                for said in heard:
                    self.heard.append(said)
                    if not self._answer(line, said):
                        break
            line.close()
        except OSError:
            line.close()

    def _answer(self, line, said):
        tag, _, rest = said.decode("utf-8", "replace").strip().partition(" ")
        words = rest.upper().split() or [""]
        name = " ".join(words[:2]) if words[0] == "UID" else words[0]
        answer = self.answers.get(name, b"")
        if callable(answer):
            answer = answer(tag, rest)
        if answer is None:
            return False
        final = f"{tag} ".encode()
        ended = any(part.startswith(final) for part in answer.split(b"\r\n"))
        line.sendall(answer + (b"" if ended else final + b"OK done\r\n"))
        return True

    def url(self, scheme="imap+plain"):
        return f"{scheme}://me@127.0.0.1:{self.port}/INBOX"

    def close(self):
        self.server.close()
        for line in self.sockets:
            line.close()


@contextmanager
def scripted(answers, **options):
    server = Scripted(answers, **options)
    try:
        yield server
    finally:
        server.close()


_PYMAP = "from pymap.main import main; main()"


class Pymap:
    """Another server, in memory: STARTTLS, IDLE, MOVE, and neither CONDSTORE nor more.

    One user, who has a folder of its own for each test.
    """

    user = "demouser"

    def __init__(self, base):
        certificate(base, "localhost", "127.0.0.1")
        self.authority = (base / "cert.pem").read_text()
        self.port = free_port()
        files = ("--cert", str(base / "cert.pem"), "--key", str(base / "key.pem"))
        where = ("--host", "127.0.0.1", "--port", str(self.port))
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", _PYMAP, *where, *files),
                *("dict", "--demo-data", "--demo-password", PASSWORD),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._answers)

    _answers = Dovecot._answers
    settings = Dovecot.settings

    def url(self, folder):
        return f"imap://{self.user}@localhost:{self.port}/{folder}"

    @contextmanager
    def client(self):
        context = ssl.create_default_context(cadata=self.authority)
        with IMAPClient("localhost", self.port, ssl=False) as client:
            client.starttls(context)
            client.login(self.user, PASSWORD)
            yield client

    def stop(self):
        self.process.kill()
        self.process.wait()


@contextmanager
def pymap():
    with tempfile.TemporaryDirectory(prefix="mailbelly-pymap-") as folder:
        server = Pymap(Path(folder))
        try:
            yield server
        finally:
            server.stop()
