"""`manage.py alive`: what a container's health check asks."""

import signal
import socket
from datetime import timedelta
from threading import Thread

import pytest
from django.db.models import F

from tests.processes import command, eventually, running, started
from webhooks.models import Heartbeat

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("kind", "arguments"), [("worker", ["worker"]), ("watch", ["ingest", "--watch"])]
)
def test_it_tells_a_process_at_work_from_one_that_hangs(
    environment, tmp_path, kind, arguments
):
    with running(environment, tmp_path / "log", *arguments) as process:
        eventually(Heartbeat.objects.exists, explain=process.output)
        assert command(environment, "alive", kind).returncode == 0
        other = "watch" if kind == "worker" else "worker"
        assert command(environment, "alive", other).returncode == 1
        process.process.send_signal(signal.SIGSTOP)
        Heartbeat.objects.update(at=F("at") - timedelta(minutes=3))
        said = command(environment, "alive", kind)
        assert said.returncode == 1
        assert f"{kind}: no heartbeat from this machine for 120 s." in said.stderr
        process.process.send_signal(signal.SIGCONT)
        assert process.end(seconds=20) == 0, process.output()
    assert not Heartbeat.objects.exists()


def test_a_process_on_another_machine_does_not_speak_for_this_one(environment):
    moment = "2999-01-01T00:00:00Z"
    Heartbeat.objects.create(name="worker:elsewhere:1", kind="worker", at=moment)
    assert command(environment, "alive", "worker").returncode == 1


def test_it_says_when_the_database_is_away(environment, tmp_path):
    away = {**environment, "DATABASE_URL": f"sqlite:///{tmp_path}/nowhere/db.sqlite3"}
    said = command(away, "alive", "worker")
    assert said.returncode == 1
    assert "The database is out of reach" in said.stderr


def test_the_web_server_is_asked_by_its_public_name(environment, tmp_path):
    public = {"PUBLIC_URL": "https://mail.jouwdomein.nl", "TRUSTED_PROXIES": "10.0.0.2"}
    environment = {**environment, **public}
    port = "18021"
    assert command(environment, "alive", "web", "--port", port).returncode == 1
    arguments = ("-m", "gunicorn", "mailbelly.wsgi", "--bind", f"127.0.0.1:{port}")
    with started(environment, tmp_path / "log", *arguments, "--workers=1") as web:
        web.says("Booting worker")

        def answers():
            said = command(environment, "alive", "web", "--port", port)
            return said.returncode == 0

        eventually(answers, explain=web.output)


def test_the_listener_for_mail_servers_is_asked_for_its_greeting(environment, tmp_path):
    place = str(tmp_path / "lmtp")
    asked = ("alive", "lmtp", "--listen")
    away = command(environment, *asked, place)
    assert away.returncode == 1
    assert f"lmtp: {place} does not answer" in away.stderr
    with running(environment, tmp_path / "log", "lmtp", "--listen", place) as listener:
        listener.says("Listening")
        assert command(environment, *asked, place).returncode == 0
        assert listener.end() == 0, listener.output()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        speak = Thread(target=lambda: server.accept()[0].sendall(b"421 not now\r\n"))
        speak.start()
        said = command(environment, *asked, f"127.0.0.1:{port}")
        speak.join()
    assert (said.returncode, "421 not now" in said.stderr) == (1, True)
    assert command(environment, *asked, "nowhere").returncode == 2
