"""Mails for tests, written here, in the shapes that people send."""

from email.message import EmailMessage
from pathlib import Path


def mail(
    subject="Vraag over factuur",
    *,
    text="Hallo, ik heb een vraag.\n",
    sender="Klant <klant@bedrijf.nl>",
    to="support@shop.nl",
    message_id="<1@bedrijf.nl>",
    attachment=None,
    **headers,
):
    """Bytes as they lie in a Maildir; `in_reply_to=` and other headers by keyword."""
    built = EmailMessage()
    built["From"] = sender
    built["To"] = to
    built["Subject"] = subject
    built["Date"] = headers.pop("date", "Wed, 25 Feb 2026 10:30:00 +0100")
    if message_id is not None:
        built["Message-ID"] = message_id
    for name, value in headers.items():
        built[name.replace("_", "-").title()] = value
    built.set_content(text)
    if attachment is not None:
        name, content = attachment
        built.add_attachment(
            content, maintype="application", subtype="pdf", filename=name
        )
    return bytes(built)


class Maildir:
    """A Maildir as an MTA fills it."""

    def __init__(self, path):
        self.path = Path(path)
        self.count = 0
        for name in ("cur", "new", "tmp"):
            (self.path / name).mkdir(parents=True)

    def deliver(self, content, name=None, folder="new"):
        """Written in `tmp/`, moved in whole."""
        self.count += 1
        name = name or f"17000{self.count:05d}.M{self.count}P1.host"
        written = self.path / "tmp" / name
        written.write_bytes(content)
        return written.rename(self.path / folder / name)

    def names(self, folder):
        return sorted(path.name for path in (self.path / folder).iterdir())
