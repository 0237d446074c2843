"""The products we measure against, in an environment of their own."""

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = ROOT / ".venv-bench"
REQUIREMENTS = ROOT / "bench" / "peers" / "requirements.txt"


def python() -> str:
    """The peers' interpreter; the environment is made when it is not there yet."""
    interpreter, stamp = HOME / "bin" / "python", HOME / "requirements.sha256"
    digest = sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text("utf-8") != digest:
        print("Installing the peers into .venv-bench ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
        pip = [str(interpreter), "-m", "pip", "install", "-q"]
        subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True)
        stamp.write_text(digest, "utf-8")
    return str(interpreter)


def packages() -> Path:
    python()
    return next((HOME / "lib").glob("python*/site-packages"))


class Peer:
    """A Django project with one peer in it: `bench/peers/settings.py`."""

    def __init__(
        self, name: str, database_url: str, media: Path, **further: str
    ) -> None:
        self.environment = {
            "PATH": f"{HOME / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "bench.peers.settings",
            "PEER": name,
            "DATABASE_URL": database_url,
            "MEDIA_ROOT": str(media),
            **further,
        }

    def command(self, module: str, *arguments: str) -> list[str]:
        return [python(), "-m", module, *arguments]

    def run(self, module: str, *arguments: str) -> str:
        return subprocess.run(
            self.command(module, *arguments),
            env=self.environment,
            cwd=ROOT,
            check=True,
            text=True,
            stdout=subprocess.PIPE,
        ).stdout

    def start(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(module, *arguments),
            env=self.environment,
            cwd=ROOT,
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def redis_server() -> str:
    found = shutil.which("redis-server")
    if found is None:
        sys.exit("Redis is missing. Install it: apt install redis-server")
    return found
