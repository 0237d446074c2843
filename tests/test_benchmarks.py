"""The benchmarks are run by hand; that they start is a test's business."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
COMMANDS = sorted(
    path.stem
    for path in (ROOT / "bench").glob("*.py")
    if "__main__" in path.read_text("utf-8")
)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_benchmark_says_how_it_is_run(name):
    said = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", "--help"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert f"python -m bench.{name}" in said.stdout


def test_every_benchmark_is_on_the_page_and_no_other():
    page = (ROOT / "docs" / "performance.md").read_text("utf-8")
    assert sorted(set(re.findall(r"python -m bench\.(\w+)", page))) == COMMANDS
