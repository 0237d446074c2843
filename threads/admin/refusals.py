"""What a verb refused, in the language of who asked, with the mend."""

from django.utils.translation import gettext as _

from threads.errors import RefusedError


def said(error: RefusedError) -> str:
    """The API's English where this page has no words of its own."""
    known = _words().get(error.code)
    return known or f"{error.detail} {error.fix}".strip()


def _words() -> dict[str, str]:
    return {
        "thread_is_spam": _(
            "This thread is marked as spam; its sender gets no answer. Mark it as not"
            " spam first."
        ),
        "smtp_not_configured": _(
            "This mailbox has no mail server to send with. Set SMTP on the mailbox, or"
            " EMAIL_HOST in the environment."
        ),
        "no_recipient": _(
            "Nobody in this thread can be answered. Write an address under To."
        ),
        "too_many_recipients": _("A reply goes to at most 50 people."),
        "too_many_attachments": _(
            "A reply has at most 20 attachments. Put them in one archive, or send"
            " several replies."
        ),
        "attachments_too_large": _(
            "The attachments are larger than 17 MB together. Choose fewer, or send a"
            " link to them."
        ),
        "too_many_tags": _("A thread has at most 50 tags. Take one off first."),
        "same_thread": _("A thread can't be merged into itself. Name another thread."),
        "other_mailbox": _(
            "The threads belong to two mailboxes. Merge threads of one mailbox."
        ),
        "nothing_to_split": _(
            "This is the first message of its thread; nothing would stay behind. Split"
            " from a later message."
        ),
        "empty_note": _("The note is empty. Write something first."),
        "note_too_long": _("The note is too long. Write several."),
    }
