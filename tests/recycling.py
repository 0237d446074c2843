"""The project's settings, with workers that make room for others after a few tasks."""

from mailbelly.settings import *  # noqa: F403 -- a settings module is its names
from mailbelly.settings import Q_CLUSTER as _OURS

Q_CLUSTER = {**_OURS, "recycle": 2}
