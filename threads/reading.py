"""What a message keeps of what the parser understood: column by column."""

from typing import Any

from threads.house import House
from threads.mail.edition import edition
from threads.mail.impostors import warnings
from threads.mail.parsed import Address, ParsedMail


def columns(mail: ParsedMail, house: House | None) -> dict[str, Any]:
    """The fields of `Message` that follow from its original.

    Who tries to look like us is only known to the house.
    """
    odd = (
        warnings(mail.from_, mail.reply_to, names=house.names, domains=house.domains)
        if house is not None
        else []
    )
    return {
        "dedupe_key": mail.dedupe_key,
        "message_id": mail.message_id,
        "sender": mail.sender,
        "addresses": {
            "from": people(mail.from_),
            "to": people(mail.to),
            "cc": people(mail.cc),
            "reply_to": people(mail.reply_to),
        },
        "subject": mail.subject,
        "body_text": mail.body_text,
        "spans": mail.spans,
        "body_html": mail.body_html,
        "html_only": mail.html_only,
        "sent_at": mail.date,
        "auto": mail.auto,
        "bulk": mail.bulk,
        "bounce": mail.bounce,
        "complaint": mail.complaint,
        "reasons": [
            {"verdict": verdict, "evidence": evidence}
            for verdict, evidence in mail.reasons
        ],
        "authentication": mail.authentication,
        "protection": mail.protection,
        "repaired": mail.repaired,
        "defects": list(mail.defects),
        "warnings": [{"code": code, "evidence": said} for code, said in odd],
        "parsed_by": edition(),
    }


def people(addresses: tuple[Address, ...]) -> list[dict[str, str]]:
    return [person(address) for address in addresses]


def person(address: Address) -> dict[str, str]:
    return {"address": address.address, "name": address.name}
