"""Why a mail is where it is, and what it is taken for.

One answer for the page of a thread and for `manage.py explain`; for a mail that is
not here yet, what would become of it.
"""

import re
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from threads.candidates import candidates, card_of, is_by_hand
from threads.house import House
from threads.mail.parsed import ParsedMail
from threads.matching import BEARS, NOT_HERE, NOT_VOUCHED, OTHER_SUBJECT
from threads.models import Mailbox, Message, Thread
from threads.reading import columns

_Direction = Message.Direction
_NAMED = re.compile(r"<([^<>]{1,255})>")


@dataclass(frozen=True, slots=True)
class Explained:
    """A message, stored or not, and where it is or would go; None: its own thread."""

    message: Message
    thread: Thread | None
    # False when it only would be there.
    stored: bool


def foreseen(mail: ParsedMail, mailbox: Mailbox) -> Explained:
    """What would become of a mail of this mailbox; nothing is stored."""
    house = House.of(mailbox)
    card = card_of(mail, house)
    by_hand = is_by_hand(mail, card, house)
    if by_hand:
        card.send_by_hand()
    with transaction.atomic():
        found = candidates(mailbox, [card], [mail.dedupe_key], house)
        verdict = found.book.verdict(card)
    known = found.known(mail.dedupe_key, card)
    if known is not None:
        message = Message.objects.with_relations().get(pk=known)
        return Explained(message, message.thread, stored=True)
    reached = found.reached(card, verdict)
    thread = reached[0].thread if reached else None
    message = Message(
        mailbox=mailbox,
        direction=_Direction.OUTBOUND if by_hand else _Direction.INBOUND,
        via=Message.Via.MAILBOX if by_hand else Message.Via.MAIL,
        unverified_sender=card.leaf,
        message_id_reused=bool(card.message_id)
        and card.message_id in found.message_ids,
        about=found.book.about(card) if _is_automatic(mail) else "",
        why_rule=verdict.rule,
        why_evidence=verdict.evidence[:500],
        **columns(mail, house),
    )
    return Explained(message, thread, stored=False)


def _is_automatic(mail: ParsedMail) -> bool:
    return mail.auto or mail.bulk or mail.bounce is not None


def why(message: Message) -> str:
    """The rule that placed it; the evidence names a Message-ID, or nothing."""
    found = _NAMED.search(message.why_evidence)
    evidence = {"id": found[1] if found else "?"}
    if message.why_rule == "keyed" and message.why_evidence.startswith(BEARS):
        bears = _(
            "It bears the token of our message %(id)s, which went to this sender."
        )
        return bears % evidence
    text = {
        "keyed": _("It answers our own message %(id)s, which went to this sender."),
        "leaf": _(
            "It refers to our message %(id)s, which did not go to this sender. It is"
            " shown here, but its sender gets no replies."
        ),
        "reference": _(
            "It and another message of this thread refer to each other (%(id)s), and"
            " the people match."
        ),
        "shared": _(
            "It refers to the same message as another one of this thread (%(id)s), and"
            " the people match."
        ),
        "twin": _("It is the same message once more (%(id)s)."),
        "reply": _("It was written here."),
    }.get(message.why_rule)
    if text is None:
        return _new(message)
    return text % evidence


def _new(message: Message) -> str:
    if message.why_evidence == NOT_HERE:
        return _("It began a thread: the message it refers to is not here.")
    if message.why_evidence == OTHER_SUBJECT:
        return _(
            "It began a thread: its subject is another than that of what it answers."
        )
    if message.why_evidence == NOT_VOUCHED:
        return _(
            "It began a thread: it refers to a message whose sender does not vouch for"
            " this one."
        )
    return _("It began a thread: it refers to no other message.")


def verdicts(message: Message) -> list[tuple[str, str]]:
    """`(verdict, what speaks for it)`, of all that hold."""
    speaks: dict[str, str] = {
        one["verdict"]: one["evidence"] for one in message.reasons
    }
    found = [(_("authentication"), _authentication(message))]
    if message.via == Message.Via.MAILBOX:
        by_hand = _("A team member sent it with a mail program.")
        found.append((_("sent"), by_hand))
    if message.auto:
        program = _("Written by a program, not by a person.")
        found.append((_("automatic"), speaks.get("auto", program)))
    if message.bulk:
        found.append((_("bulk"), speaks.get("bulk", _("Sent to many at once."))))
    if message.bounce is not None:
        found.append((_("bounce"), _bounce(message.bounce)))
    if message.complaint is not None:
        found.append((_("complaint"), _complaint(message.complaint)))
    if message.unverified_sender:
        found.append(
            (
                _("unverified sender"),
                _("This sender was not part of the conversation. Replies skip them."),
            )
        )
    if message.message_id_reused:
        found.append(
            (
                _("Message-ID used twice"),
                _("Another message has the same Message-ID."),
            )
        )
    return found + [(_("warning"), said) for said in warnings(message)]


def warnings(message: Message) -> list[str]:
    """What is odd about the sender, a sentence each."""
    texts = {
        "display_name_address": _(
            "The sender's name shows another address than its own: %s"
        ),
        "display_name_domain": _(
            "The sender's name shows our domain %s, from outside."
        ),
        "display_name_mailbox": _(
            "The sender is called like our mailbox %s, and writes from outside."
        ),
        "hidden_characters": _("The sender's name hides characters: %s"),
        "mixed_script_domain": _(
            "The sender's domain mixes letters of several writings: %s"
        ),
        "lookalike_domain": _("The sender's domain looks like ours and is not: %s"),
        "several_senders": _("It names several senders: %s"),
        "reply_to_domain": _(
            "Answers would go to another domain than the sender's: %s"
        ),
    }
    return [
        texts.get(one["code"], one["code"] + ": %s") % one["evidence"]
        for one in message.warnings
    ]


def _authentication(message: Message) -> str:
    return {
        "pass": _("A server that you trust vouches for the sender (DMARC)."),
        "fail": _("The sender's domain says that it did not send this message."),
    }.get(
        message.authentication,
        _("No server that you trust says anything about the sender."),
    )


def _bounce(told: dict[str, Any]) -> str:
    failed = [one for one in told["recipients"] if one["action"] == "failed"]
    said = [f"{one['address']} {one['status']}".strip() for one in failed]
    return ", ".join(said) or _("A mail server could not deliver a message.")


def _complaint(told: dict[str, str]) -> str:
    who = told["recipient"] or _("Somebody")
    return _("%(who)s did not want a message of ours (%(type)s).") % {
        "who": who,
        "type": told["type"],
    }
