"""All the questions, in the order in which their answers explain each other."""

from collections.abc import Iterator

from threads.doctor import machine, mail, work
from threads.doctor.finding import Finding, Level


def examine(*, quick: bool) -> Iterator[Finding]:
    """`quick`: ask no other machine but the database, and only the laws of a moment."""
    yield from machine.configuration()
    yield from machine.language()
    reachable = True
    for finding in machine.database():
        reachable &= finding.level != Level.ERROR
        yield finding
    yield from machine.disk(reachable=reachable)
    if not quick:
        yield from machine.address()
    if not reachable:
        return
    yield from machine.clocks()
    yield from machine.stored_secrets()
    yield from work.team()
    yield from mail.own_mail()
    if not quick:
        yield from mail.servers()
        yield from mail.sources()
    yield from work.watcher()
    yield from work.needs_a_person()
    yield from mail.left_unread()
    yield from work.queue()
    yield from work.laws(quick=quick)
