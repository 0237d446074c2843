"""The staff site of this room, a file for each group of pages."""

from threads.admin import (
    customers,
    mailboxes,
    messages,
    people,
    quarantine,
    tags,
    threads,
)

__all__ = [
    "customers",
    "mailboxes",
    "messages",
    "people",
    "quarantine",
    "tags",
    "threads",
]
