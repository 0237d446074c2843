"""A delivery report about a mail of ours: whom it did not reach (RFC 3464)."""

from typing import Any

from threads.mail.addresses import normalise
from threads.models import Mailbox, Message, Recipient

_Status, _State = Message.Status, Recipient.State
_LEFT = (_Status.SENT, _Status.IN_DOUBT, _Status.BOUNCED)


def mark(mailbox: Mailbox, bounce: dict[str, Any]) -> None:
    """The recipients it names, and the mail itself once it reached nobody.

    `bounce` as `ParsedMail.bounce`. Only the random Message-ID of a mail of ours names
    it, so a report that somebody invents is about nothing.
    """
    about = (
        Message.objects.filter(
            mailbox=mailbox,
            direction=Message.Direction.OUTBOUND,
            message_id=bounce.get("message_id") or None,
            status__in=_LEFT,
        )
        .exclude(via=Message.Via.MAILBOX)
        .first()
    )
    if about is None:
        return
    told = bounce.get("recipients") or [
        {"address": bounce.get("recipient", ""), "status": bounce.get("status", "")}
    ]
    failed = {
        normalise(one.get("address", "")): one.get("status", "")
        for one in told
        if one.get("action", "failed") == "failed"
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
