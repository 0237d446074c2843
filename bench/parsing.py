"""How often do we read mail as its peers do? Exact matches, by set and field.

    python -m bench.parsing [--quiet] [CORPUS]

The corpus (default: `MAIL_CORPUS`) holds mails that others collected, each folder with
what that peer's own tests expect. A peer's view is evidence, not law: every difference
is listed, and `docs/parsing.md` says which of them we mean. Without a corpus, only the
replies of our own (`bench.replies`) are read.
"""

import argparse
import json
import mailbox
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from bench.replies import HELD_OUT, SETS, cases
from threads.mail.addresses import normalise
from threads.mail.headers import subject
from threads.mail.mime import Part
from threads.mail.parse import parse
from threads.mail.parsed import Address, ParsedMail
from threads.mail.quotes import spans

MAILS = (
    "imap_tools",
    "php_mime_mail_parser",
    "chatwoot",
    "django_helpdesk",
    "flanker",
)
REPLIES = ("email_reply_parser", "mail_parser_reply", "quotequail")
Finding = tuple[str, Any, Any]
# (set, field) -> [agreed, asked, the differences].
Scores = dict[tuple[str, str], list[Any]]


def folded(text: object) -> str:
    return " ".join(str(text or "").split())


def people(theirs: Iterable[dict[str, str]]) -> list[tuple[str, str]]:
    """A peer without a name for somebody repeats the address; we leave it empty."""
    pairs = []
    for one in theirs:
        address = one["addr"].lower()
        name = folded(one.get("name"))
        shown = "" if name.lower() == address else name
        pairs.append((normalise(address) or address, shown))
    return pairs


def ours(found: Iterable[Address]) -> list[tuple[str, str]]:
    return people({"addr": one.address, "name": one.name} for one in found)


def of_mail(raw: bytes, want: dict[str, Any]) -> Iterator[Finding]:
    mail = parse(raw)
    if "subject" in want:
        # Theirs may hold what no header may hold here.
        yield "subject", folded(mail.subject), folded(_line(want["subject"]))
    for key, found in (
        ("from", mail.from_),
        ("to", mail.to),
        ("cc", mail.cc),
        ("reply_to", mail.reply_to),
    ):
        if key in want:
            yield key, ours(found), people(want[key])
    if "in_reply_to" in want:
        yield "in_reply_to", mail.in_reply_to[0], want["in_reply_to"]
    if "date" in want:
        yield "date", mail.date, _moment(want["date"])
    yield from _of_text(mail, want)
    yield from _of_attachments(mail, want)
    if "auto_reply" in want:
        yield "auto_reply", mail.auto, want["auto_reply"]
    if "is_bounce" in want:
        yield "is_bounce", mail.bounce is not None, want["is_bounce"]
    if "status" in want:
        yield "status", (mail.bounce or {}).get("status"), want["status"]


def _line(text: str) -> str:
    return subject(Part([(b"subject", text.encode("utf-8", "surrogateescape"))]))


def _moment(text: str) -> datetime | None:
    """1900 is how imap_tools says that there is none; without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    if moment.year == 1900:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _of_text(mail: ParsedMail, want: dict[str, Any]) -> Iterator[Finding]:
    # A peer without text has HTML only; we render that.
    if want.get("text", "").strip():
        yield "text", folded(mail.body_text), folded(want["text"])
    if "text_count" in want:
        part = folded(want["text_count"]["substring"])
        wanted = want["text_count"]["n"]
        yield "text_count", folded(mail.body_text).count(part), wanted


def _of_attachments(mail: ParsedMail, want: dict[str, Any]) -> Iterator[Finding]:
    if "attachment_count" in want:
        yield "attachments", len(mail.attachments), want["attachment_count"]
    if "attachments" not in want:
        return
    theirs = want["attachments"]
    yield "attachments", len(mail.attachments), len(theirs)
    if len(mail.attachments) != len(theirs):
        return
    for mine, its in zip(mail.attachments, theirs, strict=True):
        for key in ("filename", "content_type", "content_id", "size", "sha256"):
            if key in its:
                yield key, getattr(mine, key), its[key]


def of_reply(text: str, want: dict[str, Any]) -> Iterator[Finding]:
    found = spans(text)
    reply = "".join(text[start:end] for start, end in found["reply"])
    if "reply_equals" in want:
        yield "reply_equals", folded(reply), folded(want["reply_equals"])
    if "segments" in want:
        theirs = [(one["visible"], folded(one["text"])) for one in want["segments"]]
        yield "segments", _segments(text, found), theirs
    for part in want.get("reply_contains", []):
        yield "reply_contains", folded(part) in folded(reply) or reply, True
    for part in want.get("reply_lacks", []):
        yield "reply_lacks", folded(part) not in folded(reply) or reply, True


def _segments(text: str, found: dict[str, list[list[int]]]) -> list[tuple[bool, str]]:
    """Visible or not, in order: neighbours of a kind are one, empty ones none."""
    ranges = sorted(
        (start, end, kind == "reply") for kind in found for start, end in found[kind]
    )
    return [
        (visible, folded("".join(text[start:end] for start, end, _ in group)))
        for visible, group in groupby(ranges, key=lambda one: one[2])
    ]


def of_threads(path: Path, want: dict[str, Any]) -> Iterator[Finding]:
    """Whose ids lead to whom; whether the sender may is for `threads.matching`."""
    mails = [parse(one.as_bytes()) for one in mailbox.mbox(path)]
    groups: list[set[int]] = []
    for number, mail in enumerate(mails):
        about = {*mail.references, *mail.in_reply_to}
        reached = [
            group
            for group in groups
            if any(
                mails[other].message_id in about
                or mail.message_id in mails[other].references
                or about & {*mails[other].references, *mails[other].in_reply_to}
                for other in group
            )
        ]
        groups = [group for group in groups if group not in reached]
        groups.append({number}.union(*reached))
    yield "threads", sorted(map(sorted, groups)), sorted(map(sorted, want["groups"]))


def of_own() -> Scores:
    """Reply, quote and signature: all three, or it is wrong."""
    found: Scores = defaultdict(lambda: [0, 0, []])
    for name in SETS:
        for case in cases(name):
            mine, wanted = case.found(), case.wanted()
            for key, agrees in (
                ("reply", mine["reply"] == wanted["reply"]),
                ("all three", mine == wanted),
            ):
                score = found[name, key]
                score[0] += agrees
                score[1] += 1
                if not agrees and name != HELD_OUT:
                    score[2].append((case.name, mine, wanted))
    return found


def scores(corpus: Path) -> Scores:
    found: Scores = defaultdict(lambda: [0, 0, []])
    for folder in (*MAILS, *REPLIES, "imaptest_threads"):
        expected = json.loads((corpus / folder / "expected.json").read_text("utf-8"))
        for name, want in expected.items():
            for key, mine, theirs in _findings(corpus / folder / name, folder, want):
                score = found[folder, key]
                score[0] += mine == theirs
                score[1] += 1
                if mine != theirs:
                    score[2].append((name, mine, theirs))
    return found


def _findings(path: Path, folder: str, want: dict[str, Any]) -> Iterator[Finding]:
    if folder in MAILS:
        yield from of_mail(path.read_bytes(), want)
    elif folder in REPLIES:
        yield from of_reply(path.read_bytes().decode(), want)
    else:
        yield from of_threads(path, want)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quiet", action="store_true", help="the figures only")
    parser.add_argument("corpus", nargs="?", default=os.environ.get("MAIL_CORPUS"))
    options = parser.parse_args()
    tables = [of_own()]
    if options.corpus:
        tables.append(scores(Path(options.corpus)))
    for found in tables:
        report(found)
    for found in tables if not options.quiet else ():
        list_differences(found)


def report(found: Scores) -> None:
    print("| set | field | agree | of |\n| --- | --- | ---: | ---: |")
    for (folder, key), (agreed, asked, _) in found.items():
        print(f"| {folder} | {key} | {agreed} | {asked} |")
    agreed = sum(score[0] for score in found.values())
    asked = sum(score[1] for score in found.values())
    print(f"| all | | {agreed} | {asked} |\n")


def list_differences(found: Scores) -> None:
    for (folder, key), (_, _, differing) in found.items():
        for name, mine, theirs in differing:
            print(f"{folder}/{name}: {key}\n  ours   {mine!r}\n  theirs {theirs!r}\n")


if __name__ == "__main__":
    main()
