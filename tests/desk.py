"""A desk with mail on it, as Dutch shops get it, for the tests of the staff site."""

from email.message import EmailMessage
from uuid import uuid4

from threads import ledger
from threads.arrival import Incoming, store
from threads.house import House
from threads.mail.parse import parse
from threads.models import Mailbox, Message, Source
from threads.sources.base import Copy

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082"
)
QUESTION = """Beste mensen,

Vorige week bestelde ik twee lampen (bestelling 20418), maar op de factuur
staan er drie. Kunnen jullie een nieuwe factuur sturen? De specificatie staat
ook op https://www.bedrijf.nl/bestelling/20418.

Met vriendelijke groet,

Fatima el Amrani
--\u0020
Bouwbedrijf El Amrani
Kanaalweg 12, Utrecht
"""
ANSWER = """Dank je wel, dat is snel! Nog één vraag: kan het btw-nummer erop?

Op wo 25 feb 2026 om 11:05 schreef Support <support@shop.nl>:
> Dag Fatima,
>
> Je hebt gelijk, er staan twee lampen op de bestelling. De nieuwe factuur
> komt er vandaag nog aan.
"""


class Desk:
    """Takes in mail as `ingest` does, without a folder."""

    def __init__(self, address="support@shop.nl", **mailbox):
        self.mailbox, _ = Mailbox.objects.get_or_create(
            address=address, defaults={"name": "Support", **mailbox}
        )
        self.source, _ = Source.objects.get_or_create(
            mailbox=self.mailbox, kind="maildir", location="x", active=False
        )
        self.count = 0

    def arrive(self, raw):
        return self.arrive_all([raw])[0]

    def arrive_all(self, mails):
        """As one batch: in a fraction of the time that each by itself takes."""
        token, mails, arrived = uuid4(), list(mails), []
        for raw in mails:
            self.count += 1
            name = f"{self.mailbox.pk}-{self.count}"
            arrived.append(ledger.Arrived(Copy(name, len(raw), ""), name, raw))
        records = ledger.enter(self.source, "", arrived, token=token, silent=False)
        batch = [
            Incoming(record, parse(raw))
            for record, raw in zip(records, mails, strict=True)
        ]
        store(self.mailbox, batch, house=House.of(self.mailbox), token=token)
        return list(Message.objects.order_by("-pk")[: len(mails)])[::-1]


def letter(
    text="Hallo.\n",
    *,
    html="",
    subject="Vraag over factuur 20418",
    sender="Fatima el Amrani <fatima@bedrijf.nl>",
    message_id="<1@bedrijf.nl>",
    files=(),
    pictures=(),
    **headers,
):
    """Bytes; `files` are `(name, type, content)`, `pictures` `(cid, content)`."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = headers.pop("to", "support@shop.nl")
    mail["Subject"] = subject
    mail["Date"] = "Wed, 25 Feb 2026 10:30:00 +0100"
    mail["Message-ID"] = message_id
    for name, value in headers.items():
        mail[name.replace("_", "-").title()] = value
    if text:
        mail.set_content(text)
        if html:
            mail.add_alternative(html, subtype="html")
    else:
        mail.set_content(html, subtype="html")
    for cid, content in pictures:
        part = mail.get_payload()[-1] if text else mail
        part.add_related(content, "image", "png", cid=f"<{cid}>")
    for name, kind, content in files:
        main, _, sub = kind.partition("/")
        mail.add_attachment(content, maintype=main, subtype=sub, filename=name)
    return bytes(mail)
