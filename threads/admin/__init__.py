"""The staff site of this room, a file for each group of pages."""

from threads.admin import (
    access,
    customers,
    limits,
    mailboxes,
    messages,
    people,
    quarantine,
    sources,
    tags,
    threads,
)

__all__ = [
    "access",
    "customers",
    "limits",
    "mailboxes",
    "messages",
    "people",
    "quarantine",
    "sources",
    "tags",
    "threads",
]
