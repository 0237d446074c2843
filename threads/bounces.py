"""A delivery report about a mail of ours: whom it did not reach (RFC 3464)."""

from typing import Any

from threads.mail.addresses import normalise
from threads.models import Mailbox, Message, Recipient

_Status, _State = Message.Status, Recipient.State
_LEFT = (_Status.SENT, _Status.IN_DOUBT, _Status.BOUNCED)
# A report that names nobody, and is a failure all the same.
_UNNAMED = dict.fromkeys(("address", "original", "status", "detail"), "") | {
    "action": "failed"
}


def mark(mailbox: Mailbox, bounce: dict[str, Any]) -> None:
    """The recipients that it says failed, and the mail once it reached nobody.

    `bounce` as `ParsedMail.bounce`. Only the random Message-ID of a mail of ours names
    it, so a report that somebody invents is about nothing.
    """
    about = (
        Message.objects.filter(
            mailbox=mailbox,
            direction=Message.Direction.OUTBOUND,
            message_id=bounce["message_id"] or None,
            status__in=_LEFT,
        )
        .exclude(via=Message.Via.MAILBOX)
        .first()
    )
    if about is None:
        return
    # Ours is whom we sent it to, wherever a server sent it on.
    failed = {
        normalise(address): _words(one)
        for one in bounce["recipients"] or [_UNNAMED]
        for address in {one["address"], one["original"] or one["address"]}
        if one["action"] == "failed"
    }
    everybody = list(about.recipients.all())
    if "" in failed and len(everybody) == 1:
        failed = {everybody[0].address: failed[""]}
    hit = [one for one in everybody if one.address in failed]
    for recipient in hit:
        recipient.state = _State.BOUNCED
        recipient.detail = failed[recipient.address][:500]
    Recipient.objects.bulk_update(hit, ["state", "detail"])
    if hit and all(one.state in {_State.BOUNCED, _State.FAILED} for one in everybody):
        Message.objects.filter(pk=about.pk).update(status=_Status.BOUNCED)


def _words(told: dict[str, str]) -> str:
    """The status and what the remote server said, which often begins with both."""
    status, detail = told["status"], told["detail"]
    return (detail if status in detail else f"{status} {detail}").strip()
