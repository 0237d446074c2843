"""What a verb refused, in the language of who asked, with the mend."""

from django.utils.translation import gettext as _

from threads.errors import RefusedError


def said(error: RefusedError) -> str:
    """The verb's own words, where what they advise can be done on a page."""
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
        "answered_meanwhile": _(
            "Nothing was sent: there is a new message above since you began. Read it,"
            " and send your reply if it still holds."
        ),
        "no_recipient": _(
            "Nobody in this thread can be answered. Write an address under To."
        ),
    }
