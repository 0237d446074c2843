"""The environment, read in one place: real variables first, then `.env`.

Every secret may also come from a file: `SECRET_KEY_FILE=/run/secrets/key` is read
when `SECRET_KEY` itself is not set.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


def _read_dotenv(path: Path) -> dict[str, str]:
    """`NAME=value` lines; `#` starts a comment line; quotes around a value go."""
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            msg = f"{path}, line {number}: expected NAME=value, found {line!r}."
            raise ImproperlyConfigured(msg)
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name.strip()] = value
    return found


def dotenv() -> Path:
    """Where `.env` is, or would be."""
    return Path(os.environ.get("ENV_FILE", BASE_DIR / ".env"))


@cache
def _values() -> dict[str, str]:
    return {**_read_dotenv(dotenv()), **os.environ}


# What the settings asked for, in their order, and whether somebody had set it.
_asked: dict[str, bool] = {}


def asked() -> dict[str, bool]:
    """The variables there are, and whether the environment sets each."""
    return dict(_asked)


def text(name: str, default: str | None = None) -> str:
    """The value of `name`, or the default; else an error that says how to mend."""
    value = _values().get(name)
    if value is None and (path := _values().get(f"{name}_FILE")):
        try:
            value = Path(path).read_text("utf-8").strip()
        except OSError as error:
            msg = f"{name}_FILE: cannot read {path}: {error.strerror}."
            raise ImproperlyConfigured(msg) from error
    _asked[name] = value is not None
    if value is not None:
        return value
    if default is not None:
        return default
    msg = (
        f"{name} is not set. Put it in the environment or in .env"
        " (`make run` writes a .env with fresh secrets)."
    )
    raise ImproperlyConfigured(msg)


def database(name: str, default: str) -> dict[str, Any]:
    """Django's settings of the database at that URL."""
    url = text(name, default)
    try:
        found = dj_database_url.parse(url, conn_max_age=60, conn_health_checks=True)
    except ValueError:
        # Not what it is: it may hold a password.
        msg = (
            f"{name} is not the URL of a database. Write"
            " postgres://user:password@host:5432/name or sqlite:////path/of/file."
        )
        raise ImproperlyConfigured(msg) from None
    return dict(found)


def boolean(name: str, *, default: bool) -> bool:
    value = text(name, "true" if default else "false").lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    msg = f"{name} is {value!r}; write true or false."
    raise ImproperlyConfigured(msg)


def integer(name: str, *, default: int) -> int:
    value = text(name, str(default))
    try:
        return int(value)
    except ValueError:
        msg = f"{name} is {value!r}; write a whole number."
        raise ImproperlyConfigured(msg) from None


def choice(name: str, among: tuple[str, ...], *, default: str) -> str:
    """One of a few words, however it is written."""
    value = text(name, default)
    for word in among:
        if word.lower() == value.lower():
            return word
    msg = f"{name} is {value!r}; write one of: {', '.join(among)}."
    raise ImproperlyConfigured(msg)


def words(name: str, default: str = "") -> list[str]:
    """A list, separated by commas or blanks."""
    return text(name, default).replace(",", " ").split()


def choose_settings() -> None:
    """Which settings every door (manage.py, wsgi, worker) boots with."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailbelly.settings")


def propose(name: str, value: str) -> None:
    """For this process and its children, unless somebody has set it."""
    if name not in _values():
        os.environ[name] = _values()[name] = value


def for_children(**further: str) -> dict[str, str]:
    """The environment of a process that we start."""
    return {**os.environ, **further}
