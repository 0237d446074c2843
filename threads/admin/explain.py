"""What to know of a message before trusting it, and what became of ours."""

from django.utils.translation import gettext as _

from threads import explanation
from threads.models import Message


def flags(message: Message) -> list[tuple[str, str, str]]:
    """`(kind, label, what it means)`: what a reader must know before trusting it."""
    if message.erased_at is not None:
        return [("", _("erased"), _("Nothing of what this message said is kept."))]
    found = []
    if message.unverified_sender:
        found.append(
            (
                "warn",
                _("unverified sender"),
                _("This sender was not part of the conversation. Replies skip them."),
            )
        )
    if message.authentication == "fail":
        found.append(
            (
                "danger",
                _("forged?"),
                _("The sender's domain says that it did not send this message."),
            )
        )
    if message.bounce is not None:
        found.append(
            ("danger", _("bounce"), _("A mail server could not deliver a message."))
        )
    if message.complaint is not None:
        found.append(
            ("danger", _("complaint"), _("Somebody did not want a message of ours."))
        )
    if message.auto:
        found.append(("", _("automatic"), _("Written by a program, not by a person.")))
    if message.bulk:
        found.append(("", _("bulk"), _("Sent to many at once.")))
    found += _as_read(message)
    if message.message_id_reused:
        found.append(
            (
                "warn",
                _("Message-ID used twice"),
                _("Another message has the same Message-ID."),
            )
        )
    if odd := explanation.warnings(message):
        found.append(("warn", _("odd sender"), " · ".join(odd)))
    return found


def _as_read(message: Message) -> list[tuple[str, str, str]]:
    found = []
    if message.protection == "encrypted":
        found.append(
            (
                "warn",
                _("encrypted"),
                _(
                    "What it says is in its attachments: open them with a mail program"
                    " that has the key."
                ),
            )
        )
    if message.protection == "signed":
        found.append(
            ("", _("signed"), _("It carries a signature, which was not checked."))
        )
    if message.repaired:
        found.append(
            (
                "",
                _("repaired"),
                _(
                    "Letters that were misread on the way (Ã© for é) were put right."
                    " The original has them as they came."
                ),
            )
        )
    return found


def state(message: Message) -> tuple[str, str]:
    """`(kind, what it means)` of the status of a mail of ours."""
    status = Message.Status
    return {
        status.SENT: ("good", _("The mail server has accepted it.")),
        status.QUEUED: ("", _("It is on its way.")),
        status.SENDING: ("", _("It is on its way.")),
        status.SCHEDULED: ("", _("It will be sent at the time that was set.")),
        status.STORED: (
            "warn",
            _("No mail server is configured: it was written to a file, not sent."),
        ),
        status.FAILED: ("danger", _("It was not sent.")),
        status.BOUNCED: ("danger", _("It came back: it was not delivered.")),
        status.IN_DOUBT: (
            "warn",
            _(
                "The connection broke at the last moment: perhaps it arrived, perhaps"
                " not. Ask the customer before you send it again."
            ),
        ),
    }.get(Message.Status(message.status), ("", ""))
