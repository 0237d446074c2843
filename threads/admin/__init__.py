"""The staff site of this room, a file for each group of pages."""

from threads.admin import conversations, mailboxes, people, quarantine

__all__ = ["conversations", "mailboxes", "people", "quarantine"]
