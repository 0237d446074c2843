"""The staff site of this room, a file for each group of pages."""

from threads.admin import access, conversations, mailboxes, people, quarantine

__all__ = ["access", "conversations", "mailboxes", "people", "quarantine"]
