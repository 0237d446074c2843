"""What the processes say: one line each, in either format, whoever wrote the words."""

import json
import logging
import os

import pytest

from api.middleware import RequestIdMiddleware
from mailbelly.logs import Json, Line
from tests.processes import command, eventually, started

HOSTILE = "Vraag\r\n2026-02-25T10:30:00.000Z ERROR forged \x1b[2J\x9b2J\u2028\x00 café"


def record(message, error=None):
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("threads", 20, __file__, 1, message, (), info)


class HostileError(Exception):
    """As a server's answer becomes the words of an exception."""


def hostile():
    try:
        _raise()
    except HostileError as error:
        return error


def _raise():
    raise HostileError(HOSTILE)


def test_a_line_stays_one_line_whatever_a_mail_puts_into_it():
    said = Line().format(record(HOSTILE))
    assert len(said.splitlines()) == 1
    assert said.endswith(
        r"INFO threads Vraag\r\n2026-02-25T10:30:00.000Z ERROR forged"
        r" \x1b[2J\x9b2J\u2028\x00 café"
    )


def test_a_traceback_stands_indented_so_that_it_can_not_forge_a_line():
    said = Line().format(record("Oops", hostile()))
    first, *rest = said.splitlines()
    assert first.endswith("INFO threads Oops")
    assert "HostileError: Vraag" in said
    assert all(line.startswith("    ") for line in rest)
    assert "\x1b" not in said


def test_json_is_one_object_a_line_with_what_happened():
    said = Json().format(record(HOSTILE, hostile()))
    assert len(said.splitlines()) == 1
    assert said.isascii()
    assert said.isprintable()
    read = json.loads(said)
    assert read["message"] == HOSTILE
    assert read["level"] == "INFO"
    assert read["logger"] == "threads"
    assert read["time"].endswith("Z")
    assert f"HostileError: {HOSTILE}" in read["exception"]
    assert "request_id" not in read


@pytest.mark.parametrize("formatter", [Json(), Line()])
def test_a_line_bears_the_id_of_its_request(formatter, rf):
    lines = []

    def view(_request):
        lines.append(formatter.format(record("inside")))
        return {}

    request = rf.get("/", headers={"x-request-id": "vraag-1"})
    RequestIdMiddleware(view)(request)
    after = record("after")
    after.request = request
    lines += [formatter.format(after), formatter.format(record("outside"))]
    assert ["vraag-1" in line for line in lines] == [True, True, False]


@pytest.fixture
def boots(tmp_path):
    """Runs `manage.py …` with these settings."""

    def run(*arguments, **changes):
        environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3"}
        return command({**environment, **changes}, *arguments)

    return run


WARN = "import logging; logging.getLogger('threads').warning('a\\nb'); print('done')"


def test_the_environment_chooses_the_format(boots):
    said = boots("shell", "-c", WARN, LOG_FORMAT="json")
    assert json.loads(said.stderr)["message"] == "a\nb", said.stderr
    assert r"WARNING threads a\nb" in boots("shell", "-c", WARN).stderr
    assert boots("shell", "-c", WARN, LOG_LEVEL="error").stderr == ""


@pytest.mark.parametrize(
    ("name", "value"), [("LOG_FORMAT", "xml"), ("LOG_LEVEL", "LOUD")]
)
def test_a_word_that_is_none_of_them_is_refused_with_the_list(boots, name, value):
    said = boots("check", **{name: value})
    assert said.returncode == 1
    assert f"{name} is {value!r}; write one of: " in said.stderr


def test_the_web_server_speaks_the_same_format(tmp_path):
    """Also its own lines, and a request with a hostile path."""
    port = "18020"
    (tmp_path / "static").mkdir()
    ours = {"LOG_FORMAT": "json", "PUBLIC_URL": "http://127.0.0.1"}
    environment = {**os.environ, **ours, "DATA_DIR": str(tmp_path)}
    arguments = ("-m", "gunicorn", "mailbelly.wsgi", "--bind", f"127.0.0.1:{port}")
    with started(environment, tmp_path / "log", *arguments, "--workers=1") as web:
        web.says("Listening at")
        ask = (
            "import socket\n"
            f"s = socket.create_connection(('127.0.0.1', {port}), 10)\n"
            r"s.sendall(b'GET /a%0d%0aERROR%1b HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            r"Connection: close\r\n\r\n')"
            "\nprint(s.recv(99))"
        )
        with started(environment, tmp_path / "asked", "-c", ask) as asked:
            eventually(lambda: "404" in asked.output(), explain=asked.output)
        web.says("Not Found")
        assert web.end() == 0
        lines = [json.loads(line) for line in web.output().splitlines()]
    found = next(line for line in lines if line["logger"] == "django.request")
    assert found["message"].startswith("Not Found: /a")
    assert len(found["request_id"]) == 24
    assert {"gunicorn.error", "django.request"} == {line["logger"] for line in lines}
