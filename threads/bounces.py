"""A delivery report about a mail of ours: whom it did not reach (RFC 3464)."""

from typing import Any

from threads.mail.addresses import normalise
from threads.mail.parsed import ParsedMail
from threads.models import Mailbox, Message, Recipient

_Status, _State = Message.Status, Recipient.State
_LEFT = (_Status.SENT, _Status.IN_DOUBT, _Status.BOUNCED)
# A report that names nobody, and is a failure all the same.
_UNNAMED = dict.fromkeys(("address", "original", "status", "detail"), "") | {
    "action": "failed"
}


def mark(mailbox: Mailbox, mail: ParsedMail) -> bool:
    """The recipients that it says failed, and the mail once it reached nobody.

    False when it is no bounce of ours, and nothing was marked. Only the random
    Message-ID of a mail of ours names it, and only a server is believed: whoever had
    that mail knows the id and could invent a report.
    """
    if mail.bounce is None or not mail.from_server or mail.authentication == "fail":
        return False
    about = _about(mailbox, mail.bounce)
    if about is None:
        return False
    everybody = list(about.recipients.all())
    failed = _failed(mail.bounce, everybody)
    hit = [one for one in everybody if one.address in failed]
    for recipient in hit:
        recipient.state = _State.BOUNCED
        recipient.detail = failed[recipient.address][:500]
    Recipient.objects.bulk_update(hit, ["state", "detail"])
    if hit and all(one.state in {_State.BOUNCED, _State.FAILED} for one in everybody):
        Message.objects.filter(pk=about.pk).update(status=_Status.BOUNCED)
    return bool(hit)


def _about(mailbox: Mailbox, bounce: dict[str, Any]) -> Message | None:
    """The mail of ours, if it has left: what is queued can't have come back."""
    return (
        Message.objects.filter(
            mailbox=mailbox,
            direction=Message.Direction.OUTBOUND,
            message_id=bounce["message_id"] or None,
            status__in=_LEFT,
        )
        .exclude(via=Message.Via.MAILBOX)
        .first()
    )


def _failed(bounce: dict[str, Any], everybody: list[Recipient]) -> dict[str, str]:
    """Address → words. Ours is whom we sent it to, wherever a server sent it on."""
    failed = {
        normalise(address): _words(one)
        for one in bounce["recipients"] or [_UNNAMED]
        for address in {one["address"], one["original"] or one["address"]}
        if one["action"] == "failed"
    }
    if "" in failed and len(everybody) == 1:
        failed = {everybody[0].address: failed[""]}
    return failed


def _words(told: dict[str, str]) -> str:
    """The status and what the remote server said, which often begins with both."""
    status, detail = told["status"], told["detail"]
    return (detail if status in detail else f"{status} {detail}").strip()
