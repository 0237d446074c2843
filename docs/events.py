"""Writes events.md: `ENV_FILE=tests/environment.env .venv/bin/python docs/events.py`.

The samples are those of the API and of the test button; a test compares the page.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "events.md"
ADDRESS = "https://mail.jouwdomein.nl"

HEAD = """\
# Events

Each event as it is sent, whole, with invented people. The same come from
`GET /api/v1/events/samples/:type` and from the test button. What they mean, and what to do
with them, is in [webhooks](webhooks.md). This page is written by `docs/events.py`.

The first seven keys are always there, always strings, `""` when unknown. `message` is the
mail itself, of a thread's event its newest inbound one; `changes` has the old and the new
value of what changed.
"""


def page() -> str:
    """The whole page."""
    from django.conf import settings  # noqa: PLC0415 -- once Django is set up

    from webhooks.catalogue import EVENTS, TEST, sample  # noqa: PLC0415

    sections = [HEAD]
    for kind in (*EVENTS, TEST):
        lines = _lines(sample(kind)).replace(settings.PUBLIC_URL, ADDRESS)
        sections.append(f"## `{kind}`\n\n```json\n{lines}\n```\n")
    return "\n".join(sections)


def _lines(body: dict[str, object]) -> str:
    """A key a line; the thread and the message have their own keys below them."""
    written = []
    for name, value in body.items():
        deep = name in {"thread", "message"} and isinstance(value, dict)
        text = _nested(value) if deep else _flat(value)
        written.append(f"  {_flat(name)}: {text}")
    return "{\n" + ",\n".join(written) + "\n}"


def _nested(value: dict[str, object]) -> str:
    keys = [f"    {_flat(name)}: {_flat(inner)}" for name, inner in value.items()]
    return "{\n" + ",\n".join(keys) + "\n  }"


def _flat(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    import django

    from mailbelly import env

    env.choose_settings()
    django.setup()
    PAGE.write_text(page(), "utf-8")
