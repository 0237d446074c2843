"""The mails that are measured, the same for everyone: fixed by a seed.

70 % multipart/alternative of 3-10 kB, 20 % plain text, 10 % with an attachment of
100-500 kB. Half of them answer an earlier one.
"""

import random
from email.message import EmailMessage
from pathlib import Path

WORDS = (  # noqa: SIM905 -- a sentence reads better
    "hallo ik heb een vraag over de factuur van vorige maand want het bedrag klopt"
    " niet met wat wij hadden afgesproken kunnen jullie dat nakijken alvast bedankt"
    " en met vriendelijke groet de bestelling is nog niet geleverd geïnteresseerd"
).split()
HTML = '<p style="margin:0;font-family:Arial,sans-serif;font-size:14px">{}</p>\n'


def mails(count: int, seed: int = 1, address: str = "support@shop.nl") -> list[bytes]:
    dice = random.Random(seed)
    sent: list[tuple[str, str]] = []
    found = []
    for number in range(count):
        mail = EmailMessage()
        person = f"klant{dice.randrange(count // 2 + 1)}@bedrijf{dice.randrange(50)}.nl"
        message_id = f"<{number}.{dice.getrandbits(64):x}@mail.bedrijf.nl>"
        mail["Return-Path"] = f"<{person}>"
        mail["Received"] = (
            "from mail.bedrijf.nl (mail.bedrijf.nl [192.0.2.1]) by mx.shop.nl"
            f" with ESMTPS id {number:x}; Wed, 25 Feb 2026 10:30:00 +0100"
        )
        mail["Date"] = "Wed, 25 Feb 2026 10:30:00 +0100"
        mail["Message-ID"] = message_id
        mail["Subject"] = _words(dice, dice.randrange(3, 9)).capitalize()
        if sent and dice.random() < 0.5:
            earlier, person = sent[-dice.randrange(1, min(len(sent), 200) + 1)]
            mail["In-Reply-To"] = earlier
            mail["References"] = earlier
        mail["From"] = f"Jan de Vries <{person}>"
        mail["To"] = f"Support <{address}>"
        _fill(mail, dice)
        sent.append((message_id, person))
        found.append(mail.as_bytes())
    return found


def _fill(mail: EmailMessage, dice: random.Random) -> None:
    kind = dice.random()
    if kind < 0.7:
        size = dice.randrange(3_000, 10_000)
        mail.set_content(_paragraphs(dice, size // 4))
        lines = _paragraphs(dice, size // 2).splitlines()
        mail.add_alternative("".join(HTML.format(x) for x in lines), subtype="html")
    else:
        mail.set_content(_paragraphs(dice, dice.randrange(300, 4_000)))
    if kind >= 0.9:
        mail.add_attachment(
            dice.randbytes(dice.randrange(100_000, 500_000)),
            maintype="application",
            subtype="pdf",
            filename="factuur.pdf",
        )


def large(size: int, address: str = "support@shop.nl") -> bytes:
    """One mail of so many bytes, nearly all of it an attachment."""
    mail = EmailMessage()
    mail["From"], mail["To"] = "klant@bedrijf.nl", address
    mail["Subject"], mail["Message-ID"] = "Groot", "<groot@bedrijf.nl>"
    mail.set_content("Zie bijlage.\n")
    mail.add_attachment(
        random.Random(2).randbytes(int(size / 1.3513)),
        maintype="application",
        subtype="zip",
        filename="groot.zip",
    )
    return mail.as_bytes()


class Corpus:
    """The mails as files once; each Maildir filled with links to them."""

    def __init__(self, folder: Path, contents: list[bytes]) -> None:
        self.folder = folder
        self.files: list[Path] = []
        folder.mkdir()
        for number, content in enumerate(contents):
            file = folder / f"1700000000.M{number:06d}.host"
            file.write_bytes(content)
            self.files.append(file)
        self.bytes = sum(map(len, contents))

    def fill(self, maildir: Path) -> None:
        empty(maildir)
        for file in self.files:
            (maildir / "new" / file.name).hardlink_to(file)


def empty(maildir: Path) -> None:
    for part in ("cur", "tmp", "new"):
        (maildir / part).mkdir(parents=True, exist_ok=True)
        for old in (maildir / part).iterdir():
            old.unlink()


def _words(dice: random.Random, count: int) -> str:
    return " ".join(dice.choices(WORDS, k=count))


def _paragraphs(dice: random.Random, size: int) -> str:
    lines, length = [], 0
    while length < size:
        lines.append(_words(dice, dice.randrange(8, 14)).capitalize() + ".")
        length += len(lines[-1]) + 1
    return "\n".join(lines) + "\n"
