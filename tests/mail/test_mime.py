"""The MIME tree: the right parts, their exact bytes, and nothing that raises."""

from email import message_from_bytes
from email.policy import compat32
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from threads.mail import limits
from threads.mail.mime import header
from threads.mail.parse import parse
from threads.mail.parts import attachment, tree, walk


def kinds(raw):
    return [part.content_type for _, part in walk(tree(raw)[0])]


def multipart(*parts, boundary=b"b", kind=b"mixed", end=b"\n"):
    head = b'Content-Type: multipart/%s; boundary="%s"\n\n' % (kind, boundary)
    body = b"".join(b"--%s\n%s\n" % (boundary, part) for part in parts)
    return (head + body + b"--%s--\n" % boundary).replace(b"\n", end)


def test_the_parts_are_those_between_the_boundaries():
    inner = multipart(b"\nplain", b"Content-Type: text/html\n\nhtml", boundary=b"i")
    raw = multipart(inner, b"Content-Type: a/b\n\nbytes\n")
    assert kinds(raw) == [
        "multipart/mixed", "multipart/mixed", "text/plain", "text/html", "a/b",
    ]  # fmt: skip
    assert attachment(raw, 4) == b"bytes\n"


def test_every_line_end_reads_the_same():
    for end in (b"\r\n", b"\r"):
        raw = multipart(b"\nhello", b"Content-Type: a/b\n\nbytes", end=end)
        assert kinds(raw) == ["multipart/mixed", "text/plain", "a/b"]
        assert parse(raw).body_text == "hello"
        assert attachment(raw, 2) == b"bytes"


def test_an_enclosed_mail_keeps_its_bytes():
    inner = b"Subject:  two  blanks\r\nX: y\r\n\r\nbody \r\n"
    raw = multipart(b"Content-Type: message/rfc822\n\n" + inner)
    assert attachment(raw, 1) == inner
    assert len(parse(raw).attachments) == 1


def test_a_part_without_its_closing_boundary_goes_to_the_end():
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\nthere"
    assert parse(raw).body_text == "hello\nthere"


def test_the_boundary_of_the_outside_ends_what_is_inside():
    raw = multipart(b"Content-Type: multipart/mixed; boundary=i\n\n--i\n\na", b"\nb")
    assert parse(raw).body_text == "a\nb"


def nested(levels, innermost):
    heads = (
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n)
        for n in range(levels)
    )
    return b"".join(heads) + innermost


def test_multiparts_nest_as_deep_as_the_limit():
    raw = nested(limits.DEPTH, b"Content-Type: a/b\n\nbytes")
    mail = parse(raw)
    assert mail.defects == ()
    assert attachment(raw, mail.attachments[0].part) == b"bytes"
    deeper = parse(nested(limits.DEPTH + 1, b"Content-Type: a/b\n\nbytes"))
    assert deeper.defects == ("structure: too deep to open",)


def test_many_multiparts_beside_each_other_are_not_deep():
    names = (b"b%d" % number for number in range(400))
    raw = multipart(*(multipart(b"\nx", boundary=name) for name in names))
    mail = parse(raw)
    assert (mail.body_text.count("x"), mail.defects) == (400, ())


def test_too_deep_a_nesting_is_one_attachment():
    mail = parse(nested(1_200, b"\nhello"))
    assert mail.defects == ("structure: too deep to open",)
    assert [a.part for a in mail.attachments] == [limits.DEPTH]


def test_too_many_parts_are_cut_and_said():
    mail = parse(multipart(*[b"Content-Type: a/b\n\nx"] * 2_000))
    assert len(mail.attachments) == limits.PARTS - 1
    assert mail.defects == (f"parts: only the first {limits.PARTS} are listed",)


def test_the_mails_of_a_digest_are_attachments():
    raw = multipart(b"\nSubject: a\n\nb", b"\nSubject: c\n\nd", kind=b"digest")
    assert kinds(raw)[1:] == ["message/rfc822", "message/rfc822"]


def test_doubled_carriage_returns_are_undone():
    raw = multipart(b"Subject: s\n\nhello").replace(b"\n", b"\r\r\n")
    assert parse(raw).body_text == "hello"


def test_a_blank_before_the_colon_loses_nothing():
    mail = parse(b"Subject : hello\nFrom : jan@x.nl\n\nbody")
    assert (mail.subject, mail.sender, mail.body_text) == ("hello", "jan@x.nl", "body")


def test_a_line_that_is_no_header_begins_the_body():
    mail = parse(b"Subject: s\nno header\nX: y\n\nbody")
    assert mail.body_text == "no header\nX: y\n\nbody"


LINES = st.sampled_from(
    ["--a", "--a--", "--b", "--b--", "", "text", " folded", "X: y", "--c", "a--b",
     "Content-Type: multipart/mixed; boundary=a", "Content-Type: text/html",
     "Content-Type: multipart/alternative; boundary=b"]
)  # fmt: skip


@given(st.lists(LINES, max_size=30), st.sampled_from(["\n", "\r\n"]))
def test_it_splits_as_the_library_does(lines, end):
    """Where that neither raises nor gives up, it is the law of what a part is.

    It takes a closing boundary right after a boundary for nothing; we do not.
    """
    assume(not any(a[:2] == b[:2] == "--" for a, b in pairwise(lines)))
    head = ["Subject: s", "Content-Type: multipart/mixed; boundary=a", ""]
    raw = (end.join([*head, *lines]) + end).encode()
    message = message_from_bytes(raw, policy=compat32)
    theirs = [
        (part.get_content_type().split()[0], part.get_payload().encode().rstrip())
        for part in message.walk()
        if not part.is_multipart() and not part.defects and part.get_payload()
    ]
    ours = [
        (part.content_type, part.body.rstrip())
        for _, part in walk(tree(raw)[0])
        if not part.children
    ]
    for one in theirs:
        if not one[0].startswith("multipart/"):
            assert one in ours


@given(st.binary(max_size=300))
def test_nothing_raises(raw):
    mail = parse(raw)
    for found in mail.attachments:
        assert len(attachment(raw, found.part)) == found.size
    assert header(raw)[1] <= len(raw)
