"""Whether the work is done: what the dashboard shows the first administrator."""

from collections.abc import Iterator

from django.conf import settings
from django_q.models import OrmQ

from threads import figures
from threads.dashboard import attention
from threads.doctor.finding import Finding, Level, error, ok, warning
from threads.heartbeat import ALIVE_SECONDS
from threads.laws import LAWS
from threads.models import Source, User
from webhooks.leases import in_seconds
from webhooks.models import Heartbeat

_MOST_RINGS = 1_000


def team() -> Iterator[Finding]:
    if administrator() is None:
        yield error(
            "team",
            "There is no administrator.",
            "manage.py setup --admin you@example.com",
        )


def administrator() -> User | None:
    able = User.objects.filter(is_superuser=True, is_active=True, is_staff=True)
    return able.order_by("pk").first()


def needs_a_person() -> Iterator[Finding]:
    """The dashboard's own sentences."""
    viewer = administrator()
    if viewer is None:
        return
    pulse = attention.Pulse.of(viewer)
    for about, items, calm in (
        ("worker", attention.worker(viewer, pulse), _worker()),
        ("fetching", attention.sources(viewer), "each source was read lately"),
        ("webhooks", attention.webhooks(viewer), "none fails, none was switched off"),
        ("replies", attention.replies(viewer), "none failed, none is in doubt"),
        ("quarantine", attention.quarantine(viewer), "empty"),
    ):
        troubles = list(items)
        for item in troubles:
            where = f"{settings.PUBLIC_URL}{item.link}" if item.link else ""
            mend = " ".join(filter(None, [item.detail, where]))
            yield Finding(Level(item.tone), about, f"{item.title}.", mend)
        if not troubles:
            yield ok(about, calm)


def watcher() -> Iterator[Finding]:
    about = "watcher"
    seen = Heartbeat.objects.filter(
        kind="watch", at__gt=in_seconds(-ALIVE_SECONDS)
    ).order_by("-at")
    names = [beat.name for beat in seen[:5]]
    fetched = Source.objects.filter(active=True)
    if names:
        yield ok(about, ", ".join(names))
    elif any(not source.handed_over for source in fetched):
        yield warning(
            about,
            "None is running: mail comes in only when manage.py ingest is run.",
            "Start: manage.py ingest --watch",
        )


def queue() -> Iterator[Finding]:
    """A bell, not a store; it should be nearly silent."""
    about = "queue"
    if settings.Q_CLUSTER.get("orm") is None:
        yield ok(about, "it is at a broker of its own")
        return
    rings = OrmQ.objects.count()
    if rings > _MOST_RINGS:
        yield warning(
            about,
            f"{rings} tasks wait: no worker takes them.",
            "Restart the worker. Wiping the queue loses nothing.",
        )
    else:
        yield ok(about, f"{rings} tasks wait")


def laws(*, quick: bool) -> Iterator[Finding]:
    about = "laws"
    asked = [law for law in LAWS if law.quick or not quick]
    broken = False
    for law in asked:
        for sentence in law.broken():
            broken = True
            yield error(
                about, f"{law.name}: {sentence}.", "Report this, with: manage.py fsck"
            )
    if not broken:
        rest = "; manage.py fsck asks all" if quick else ""
        yield ok(about, f"{len(asked)} of {len(LAWS)} hold{rest}")


def _worker() -> str:
    found = figures.now()
    states = ", ".join(f"{count} {name}" for name, count in found.states.items())
    drained = "never" if found.drain_age is None else f"{found.drain_age:.0f} s ago"
    return f"seen {found.worker_age or 0:.0f} s ago, last drain {drained}; {states}"
