"""Whether a mail is signed or encrypted: S/MIME (RFC 8551), PGP/MIME, PGP in the text.

It is told, not checked: nothing here has keys. Of what is encrypted the parts are
attachments, and the text is what stands outside.
"""

import re

from threads.mail.mime import Part
from threads.mail.parsed import Protection
from threads.mail.parts import parameter, walk

_PKCS7 = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_ENCRYPTED = frozenset({"multipart/encrypted", "application/pgp-encrypted"})
_OPEN = frozenset({"signed-data", "certs-only", "compressed-data"})
_ARMOUR = re.compile(r"^-----BEGIN PGP (SIGNED )?MESSAGE-----[ \r]*$", re.MULTILINE)


def protection(message: Part, text: str) -> Protection:
    """The strongest that any part has; enclosed mails have their own."""
    found = {_of(part) for _, part in walk(message)}
    armour = _ARMOUR.search(text)
    if armour:
        found.add("signed" if armour[1] else "encrypted")
    if "encrypted" in found:
        return "encrypted"
    return "signed" if "signed" in found else ""


def _of(part: Part) -> Protection:
    kind = part.content_type
    if kind in _ENCRYPTED:
        return "encrypted"
    if kind == "multipart/signed":
        return "signed"
    if kind in _PKCS7:
        smime = parameter(part, "content-type", "smime-type").lower()
        name = parameter(part, "content-type", "name").lower()
        if smime in _OPEN or name.endswith((".p7s", ".p7c")):
            return "signed" if smime != "compressed-data" else ""
        return "encrypted"
    return ""
