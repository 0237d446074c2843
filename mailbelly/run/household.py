"""The processes of the try-out under supervisor, and what they say."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailbelly import env

STOP_SECONDS = 4

_HEAD = """\
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
loglevel=warn
pidfile={folder}/supervisord.pid
{user}

[group:mailbelly]
programs={names}
"""
# One group, so that all are stopped at once; supervisor ends groups one by one.
_PROGRAM = """
[program:{name}]
command={python} -m mailbelly.run.child {python} {arguments}
directory={base}
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
redirect_stderr=true
stopsignal=TERM
stopwaitsecs={stop}
killasgroup=true
"""


@contextmanager
def household(
    folder: Path, programs: dict[str, str], further: dict[str, str]
) -> Iterator["subprocess.Popen[str]"]:
    """`{name: arguments of python}`, under way; `further` is added to what they know.

    What they say comes through a pipe, which supervisor can open again whoever owns
    our own output.
    """
    configuration = folder / "supervisord.conf"
    configuration.write_text(_written(folder, programs), "utf-8")
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", configuration]
    watched = [sys.executable, "-m", "mailbelly.run.child", *map(str, command)]
    # Out of our group: Ctrl-C reaches us, and we pass it on.
    with subprocess.Popen(  # noqa: S603 -- our own command
        watched,
        cwd=env.BASE_DIR,
        env=env.for_children(**further),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _written(folder: Path, programs: dict[str, str]) -> str:
    head = _HEAD.format(
        folder=_quoted(folder),
        names=",".join(programs),
        # It complains of being root, unless told to be.
        user="user=root" if os.geteuid() == 0 else "",
    )
    return head + "".join(
        _PROGRAM.format(
            name=name,
            python=f'"{_quoted(Path(sys.executable))}"',
            arguments=arguments,
            base=_quoted(env.BASE_DIR),
            stop=STOP_SECONDS - 1,
        )
        for name, arguments in programs.items()
    )


def _quoted(path: Path) -> str:
    """Supervisor reads %(…)s in every value."""
    return str(path).replace("%", "%%")
