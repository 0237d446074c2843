"""What is odd about a sender: a name that claims more than the address proves.

Warnings for whoever reads; nothing else follows from them, for names prove nothing.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import lru_cache

from threads.mail import limits
from threads.mail.addresses import is_no_reply, normalise
from threads.mail.parsed import Address

_EVIDENCE = 200
# A mail is from one person; whoever names a thousand is no more dangerous for it.
_MOST = 5
_ADDRESS = re.compile(r"[^\s<>@()\[\]\",;:]{1,64}@[\w.-]{1,253}")
# Controls, marks and blanks of no width: what the eye can't see in a name.
_HIDDEN = re.compile(
    r"[\u00ad\u061c\u115f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
# What makes one picture of two hides nothing: a family, a flag, somebody at work.
_PICTURE = "\u2600-\u27bf\U0001f000-\U0001faff"
_JOINED = re.compile(f"(?<=[{_PICTURE}\ufe0f])\u200d(?=[{_PICTURE}])")
# A mailbox may be called so, and so is everybody's.
_COMMON_NAMES = frozenset(
    {
        "support", "info", "service", "sales", "help", "helpdesk", "contact", "mail",
        "team", "office", "billing", "klantenservice", "administratie", "verkoop",
        "facturen", "receptie", "hulp",
    }
)  # fmt: skip
# Writings that go together in one word (UTS 39 section 5.2, highly restrictive).
_TOGETHER = (
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA"},
    {"LATIN", "CJK", "BOPOMOFO"},
    {"LATIN", "CJK", "HANGUL"},
)
# Letters that look like a Latin one (UTS 39's confusables, those of whole words).
_LOOKS_LIKE = str.maketrans(
    "аеорсухіјѕԁһԛԝьӏαορνικτυвкмнт",
    "aeopcyxijsdhqwblaopviktubkmht",
)

_DIGITS = str.maketrans("01i5", "olls")

Warning_ = tuple[str, str]


def warnings(
    from_: Collection[Address],
    reply_to: Collection[Address] = (),
    *,
    names: Collection[str],
    domains: Collection[str],
) -> list[Warning_]:
    """`(code, evidence)` of each; `names` and `domains` are those of our mailboxes.

    >>> ceo = Address("x@evil.nl", "ceo@shop.nl")
    >>> warnings([ceo], names=[], domains=["shop.nl"])
    [('display_name_address', 'ceo@shop.nl'), ('display_name_domain', 'shop.nl')]
    >>> warnings([Address("jan@x.nl")], [Address("jan@y.nl")], names=[], domains=[])
    [('reply_to_domain', 'jan@y.nl')]
    """
    found: dict[Warning_, None] = {}
    for person in tuple(from_)[:_MOST]:
        for code, evidence in _of(person, names, domains):
            found[code, limits.clean_line(evidence, _EVIDENCE)] = None
    if len(from_) > 1:
        several = ", ".join(one.address for one in tuple(from_)[:_MOST])
        found["several_senders", limits.clean_line(several, _EVIDENCE)] = None
    for address in _elsewhere(from_, reply_to, domains):
        found["reply_to_domain", limits.clean_line(address, _EVIDENCE)] = None
    return list(found)


def _elsewhere(
    from_: Collection[Address], reply_to: Collection[Address], ours: Collection[str]
) -> Iterator[str]:
    """Where answers would go, when it is another domain than whoever writes is of.

    Of one domain is what lies within the other. Forms name the customer so: those of
    our own, and others that come from no-reply.
    """
    known = [
        one for one in tuple(from_)[:_MOST] if not is_no_reply(one.address.lower())
    ]
    senders = {_domain_of(one) for one in known} - {""}
    if not senders or not senders.isdisjoint(ours):
        return
    for one in tuple(reply_to)[:_MOST]:
        domain = _domain_of(one)
        related = any(
            f".{domain}".endswith(f".{sender}") or f".{sender}".endswith(f".{domain}")
            for sender in senders
        )
        if domain and not related:
            yield one.address


def _domain_of(person: Address) -> str:
    return normalise(person.address).rpartition("@")[2]


def _of(
    person: Address, names: Collection[str], domains: Collection[str]
) -> Iterator[Warning_]:
    address = normalise(person.address)
    domain = address.rpartition("@")[2]
    shown = _HIDDEN.sub("", unicodedata.normalize("NFKC", person.name))
    for other in _ADDRESS.findall(shown)[:3]:
        if normalise(other) not in {address, ""}:
            yield "display_name_address", other
    if _HIDDEN.search(_JOINED.sub("", person.name)):
        yield "hidden_characters", repr(person.name)[1:-1]
    if domain in domains:
        return
    lower = shown.casefold()
    plain = lower.translate(_LOOKS_LIKE)
    yield from (("display_name_domain", one) for one in domains if _says(plain, one))
    yield from (
        ("display_name_mailbox", name)
        for name in names
        if name.strip()
        and name.casefold() not in _COMMON_NAMES
        and _says(lower, name.casefold())
    )
    yield from _domain(person.address.rpartition("@")[2], domains)


def _says(shown: str, name: str) -> bool:
    """Whether a name stands in it, as words of its own."""
    return name in shown and bool(
        re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", shown)
    )


def _domain(domain: str, domains: Collection[str]) -> Iterator[Warning_]:
    """Letters of several writings in one word, or a domain that looks like ours."""
    unicode = ".".join(map(_unicode, domain.lower().split(".")))
    if not unicode.isascii() and any(map(_mixed, unicode.split("."))):
        yield "mixed_script_domain", unicode
    if _drawn(unicode) in {_drawn(one) for one in domains}:
        yield "lookalike_domain", unicode


@lru_cache(maxsize=1024)  # ours are asked for each mail
def _drawn(domain: str) -> str:
    """What a domain looks like: two that look alike give the same.

    >>> _drawn("sh0p.nl") == _drawn("shop.nl"), _drawn("rnail.nl") == _drawn("mail.nl")
    (True, True)
    >>> _drawn("shop.de") == _drawn("shop.nl")
    False
    """
    plain = domain.translate(_LOOKS_LIKE).translate(_DIGITS)
    return plain.replace("rn", "m").replace("vv", "w")


def _unicode(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label.encode("ascii").decode("idna")
    except UnicodeError:
        return label


def _mixed(label: str) -> bool:
    """Whether one word is of several writings.

    >>> _mixed("pаypal"), _mixed("bücher"), _mixed("日本のテスト")
    (True, False, False)
    """
    scripts = {
        unicodedata.name(letter, "?").partition(" ")[0].removesuffix("-1")
        for letter in label
        if letter.isalpha()
    }
    return len(scripts) > 1 and not any(scripts <= some for some in _TOGETHER)
