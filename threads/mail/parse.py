"""From bytes to a `ParsedMail`: total, and bounded."""

from collections.abc import Collection

from threads.mail import body, dialects, headers, limits, quotes, reports, verdicts
from threads.mail.addresses import normalise
from threads.mail.identity import dedupe_key
from threads.mail.mime import Part
from threads.mail.mojibake import Mender
from threads.mail.parsed import ParsedMail
from threads.mail.parts import tree, walk
from threads.mail.protection import protection

_DEFECTS = 50
_PEOPLE = ("from", "to", "cc", "reply-to")
# Where the MTA notes for whom a mail came, in order of trust.
_DELIVERED = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to")


def parse(raw: bytes, *, trusted_authserv_ids: Collection[str] = ()) -> ParsedMail:
    """Understand a mail as it came (RFC 5322, MIME), whatever is wrong with it.

    `trusted_authserv_ids` are the servers whose Authentication-Results count. What
    lies beyond the limits is counted in `defects` and stays in the original.
    """
    message, defects = tree(raw)
    content = body.read(message)
    mender = Mender()
    people = {name: mender.people(headers.addresses(message, name)) for name in _PEOPLE}
    sender = headers.sender(people["from"], message)
    subject = mender.text(headers.subject(message))
    auto, bulk = verdicts.automatic(message), verdicts.bulk(message)
    bounce = reports.bounce(message, people["from"], content.text, raw)
    if bounce is not None:
        auto = auto or verdicts.named(message, "from")
    return ParsedMail(
        message_id=headers.message_id(message),
        in_reply_to=headers.ids(message, "in-reply-to"),
        references=headers.ids(message, "references"),
        from_=people["from"],
        to=people["to"],
        cc=people["cc"],
        reply_to=people["reply-to"],
        sender=sender,
        delivered_to=_delivered_to(message),
        subject=subject,
        date=headers.date(message),
        body_text=content.text,
        body_html=content.html,
        html_only=content.html_only,
        spans=quotes.spans(content.text),
        attachments=tuple(content.attachments),
        auto=bool(auto),
        bulk=bool(bulk),
        bounce=bounce,
        from_server=dialects.sent_by_a_server(message, people["from"]),
        complaint=reports.complaint(message),
        reasons=tuple(
            (name, evidence)
            for name, evidence in (("auto", auto), ("bulk", bulk))
            if evidence
        ),
        authentication=verdicts.authentication(message, sender, trusted_authserv_ids),
        protection=protection(message, content.text),
        repaired=mender.mended or content.repaired,
        defects=_listed(
            [
                *defects,
                *(one for _, part in walk(message) for one in headers.defects(part)),
                *headers.crowds(people, message),
                *content.defects,
            ]
        ),
        dedupe_key=dedupe_key(raw),
        hops=sum(1 for _ in message.values("received")),
    )


def _delivered_to(message: Part) -> tuple[str, ...]:
    found = []
    for name in _DELIVERED:
        for value in message.values(name):
            address = limits.clean_line(value, limits.ADDRESS).strip("<>")
            if normalise(address) and address not in found:
                found.append(address)
    return tuple(found[:20])


def _listed(defects: list[str]) -> tuple[str, ...]:
    """What a mail made us say is no more trusted than the mail."""
    clean = (limits.clean_line(one, limits.DEFECT) for one in defects)
    return tuple(dict.fromkeys(clean))[:_DEFECTS]
