"""Attachments: their names, what they are, and files that are no parts."""

import binascii
import struct

import pytest

from tests.mail.test_mime import multipart
from threads.mail import limits
from threads.mail.display import html_for_frame
from threads.mail.parse import parse
from threads.mail.parts import attachment

PLAIN = b"Content-Type: text/plain\n\n"
PDF = b"%PDF-1.7 een factuur"
PNG = b"\x89PNG\r\n\x1a\nx"
PROGRAM = b"MZ\x90\x00\x03\x00 een programma"


def part(header, content=b"x"):
    return header + b"\n\n" + content


def only(raw):
    (found,) = parse(raw).attachments
    return found


def named(parameters):
    head = b"Content-Type: a/b\nContent-Disposition: attachment; " + parameters
    return only(multipart(part(head))).filename


TWICE = b'filename="=?utf-8?q?=3D=3Futf-8=3Fq=3Fcaf=3DC3=3DA9=3F=3D?="'
NAMES = [
    (b'filename="=?utf-8?q?caf=C3=A9?=.pdf"', "café.pdf"),
    (b"filename*0*=utf-8''caf%C3; filename*1*=%A9; filename*2=.pdf", "café.pdf"),
    (b'filename*0="=?utf-8?b?Y2Fm"; filename*1="w6k=?=.pdf"', "café.pdf"),
    (b"filename=utf-8''caf%C3%A9.pdf", "café.pdf"),
    (b"filename=a.pdf; filename*=iso-8859-1'nl'caf%E9.pdf", "café.pdf"),
    (b'filename="caf\xe9.pdf"', "café.pdf"),
    (b"filename=de factuur.pdf", "de factuur.pdf"),
    (TWICE, "café"),
    (b'filename="../../etc/passwd"', "passwd"),
    (b'filename="C:\\\\tmp\\\\a.txt"', "a.txt"),
    (b"filename*=utf-8''..%2F..%2Fx.sh", "x.sh"),
    (b'filename="=?utf-8?b?Li4vLi4veC5zaA==?="', "x.sh"),
    (b"filename*=utf-8''inv%E2%80%AEfdp.exe", "invfdp.exe"),
    (b"filename*=utf-8''a%00.txt%0D%0Ab", "a .txt b"),
    (b'filename="a.exe. ."', "a.exe"),
    (b'filename=".."', ""),
]


@pytest.mark.parametrize(("parameters", "name"), NAMES)
def test_names_are_read_and_made_safe(parameters, name):
    assert named(parameters) == name


def test_a_long_name_keeps_its_extension():
    name = named(b"filename=" + b"a" * 5_000 + b".pdf")
    assert len(name) == limits.FILENAME
    assert name.endswith("a.pdf")


@pytest.mark.parametrize(
    ("declared", "name", "data", "kind"),
    [
        (b"application/octet-stream", b"a.bin", PDF, "application/pdf"),
        (b"application/octet-stream", b"a.bin", PNG, "image/png"),
        (b"application/x-download", b"a.zip", b"PK\x03\x04..", "application/zip"),
        (b"application/octet-stream", b"a.docx", b"PK\x03\x04..",
         "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (b"application/octet-stream", b"a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
         "application/vnd.ms-excel"),
        (b"application/octet-stream", b"a.pdf", b"geen pdf",
         "application/octet-stream"),
        (b"application/octet-stream", b"a.html", b"<html><script>",
         "application/octet-stream"),
        (b"application/pdf", b"a.pdf", PROGRAM,
         "application/vnd.microsoft.portable-executable"),
        (b"image/png", b"a.png", b"\x7fELF\x02\x01\x01", "application/x-elf"),
        (b"application/x-msdownload", b"a.exe", PROGRAM, "application/x-msdownload"),
        (b"application/csv", b"a.csv", b"MZ;naam\n1;Jan\n", "application/csv"),
        (b"image/jpeg", b"a.jpg", PNG, "image/jpeg"),
    ],
)  # fmt: skip
def test_the_bytes_are_asked_when_nothing_is_declared_and_about_programs(
    declared, name, data, kind
):
    head = b"Content-Type: " + declared + b"; name=" + name
    assert only(multipart(part(head, data))).content_type == kind


def test_a_program_in_disguise_is_told():
    mail = parse(multipart(part(b"Content-Type: image/png; name=a.png", PROGRAM)))
    assert mail.defects == ("attachment: a program, not image/png",)


def test_an_invitation_without_a_name_gets_one():
    calendar = part(b"Content-Type: text/calendar; method=REQUEST", b"BEGIN:VCALENDAR")
    raw = multipart(PLAIN + b"Kom je?", calendar, kind=b"alternative")
    assert (only(raw).filename, parse(raw).body_text) == ("invite.ics", "Kom je?")


def test_a_picture_that_the_html_shows_is_inline_and_no_other():
    html = (
        b'Content-Type: text/html\n\n<img src="CID:logo%40x"><img src=https://x.nl/p>'
    )
    logo = part(
        b"Content-Type: application/octet-stream\nContent-ID: <logo@x>\n"
        b"Content-Disposition: attachment; filename=logo.png",
        PNG,
    )
    other = part(b"Content-Type: image/png\nContent-Disposition: attachment", PNG)
    raw = multipart(html, logo, other, kind=b"related")
    mail = parse(raw)
    assert [a.inline for a in mail.attachments] == [True, False]
    assert mail.body_html == '<img src="CID:logo%40x"><img>'
    assert "data:image/png;base64," in html_for_frame(raw, pictures=False)


def test_an_enclosed_mail_is_one_attachment():
    inner = multipart(PLAIN + b"binnen", PLAIN + b"x", boundary=b"i")
    raw = multipart(PLAIN + b"buiten", part(b"Content-Type: message/rfc822", inner))
    mail = parse(raw)
    assert mail.body_text == "buiten"
    assert [a.content_type for a in mail.attachments] == ["message/rfc822"]


# --- Files that are no parts -------------------------------------------------------


def uuencoded(data, name):
    lines = [
        binascii.b2a_uu(data[at : at + 45]).decode() for at in range(0, len(data), 45)
    ]
    return f"begin 644 {name}\n{''.join(lines)}`\nend\n".encode()


def test_a_uuencoded_file_in_the_text_is_an_attachment_and_no_text():
    content = bytes(range(256)) * 3
    text = b"Zie bijlage:\n" + uuencoded(PDF, "a.pdf") + uuencoded(content, "b c.bin")
    raw = multipart(PLAIN + text + b"Groet", part(b"Content-Type: a/b; name=x", b"y"))
    mail = parse(raw)
    assert mail.body_text == "Zie bijlage:\nGroet"
    assert [(a.filename, a.content_type) for a in mail.attachments] == [
        ("a.pdf", "application/pdf"),
        ("b c.bin", "application/octet-stream"),
        ("x", "a/b"),
    ]
    contents = [attachment(raw, a.part) for a in mail.attachments]
    assert contents == [PDF, content, b"y"]
    # What was counted before files in texts were, keeps its number.
    assert mail.attachments[2].part == 2


@pytest.mark.parametrize(
    "text",
    ["begin 644 x\nHallo Jan\nend", "begin 100 dagen\n\nend", "begin 644 a\n#86)C\n"],
)
def test_a_text_that_only_begins_so_is_left_whole(text):
    mail = parse(PLAIN + text.encode())
    assert (mail.body_text, mail.attachments) == (text.rstrip(), ())


def test_a_part_that_is_uuencoded_is_decoded():
    head = b"Content-Type: a/b\nContent-Transfer-Encoding: x-uuencode"
    raw = multipart(part(head, uuencoded(PDF, "a.pdf")))
    assert attachment(raw, only(raw).part) == PDF


def tnef(*attributes):
    """(level, id with its type, bytes)."""
    found = struct.pack("<IH", 0x223E9F78, 1)
    for level, name, value in attributes:
        found += struct.pack("<BII", level, name, len(value)) + value
        found += struct.pack("<H", sum(value) & 0xFFFF)
    return found


def properties(*pairs):
    """(type, id, bytes) of variable length."""
    found = struct.pack("<I", len(pairs))
    for kind, name, value in pairs:
        found += struct.pack("<HHII", kind, name, 1, len(value))
        found += value + b"\0" * (-len(value) % 4)
    return found


WINMAIL = tnef(
    (1, 0x00069007, struct.pack("<II", 1252, 0)),
    (1, 0x00069003, properties((0x1F, 0x1000, "Tekst: één\0".encode("utf-16-le")))),
    (2, 0x00069002, b"\0" * 14),
    (2, 0x00018010, b"FACTUU~1.PDF\0"),
    (2, 0x0006800F, PDF),
    (2, 0x00069005, properties(
        (0x1F, 0x3707, "factuur één.pdf\0".encode("utf-16-le")),
        (0x1E, 0x370E, b"application/pdf\0"),
    )),
    (2, 0x00069002, b"\0" * 14),
    (2, 0x00018010, b"..\\caf\xe9.png\0"),
    (2, 0x0006800F, PNG),
)  # fmt: skip
TNEF = b"Content-Type: application/ms-tnef; name=winmail.dat"


def test_a_winmail_dat_is_opened():
    raw = multipart(PLAIN + b"Hallo", part(TNEF, WINMAIL))
    mail = parse(raw)
    assert mail.body_text == "Hallo"
    assert [(a.filename, a.content_type) for a in mail.attachments] == [
        ("factuur één.pdf", "application/pdf"),
        ("café.png", "image/png"),
    ]
    assert [attachment(raw, a.part) for a in mail.attachments] == [PDF, PNG]


def test_the_text_of_a_winmail_dat_is_read_where_there_is_no_other():
    assert parse(part(TNEF, WINMAIL)).body_text == "Tekst: één"


def test_a_winmail_dat_is_bounded_by_its_bytes():
    many = struct.pack("<I", 2**32 - 1) + b"\x1e\x00\x00\x10" + b"\xff" * 40
    for data in (
        b"geen tnef",
        WINMAIL[:6],
        tnef((1, 0x00069003, many)),
        tnef((2, 0x00018010, b"a")),
    ):
        (found,) = parse(part(TNEF, data)).attachments
        assert found.filename == "winmail.dat"
    # What was whole until then counts.
    assert len(parse(part(TNEF, WINMAIL[:-10])).attachments) == 1


def test_many_files_in_one_part_are_cut_and_said():
    mail = parse(PLAIN + uuencoded(b"x", "a") * 2_000)
    assert len(mail.attachments) == limits.PARTS - 1
    assert mail.defects == (f"parts: only the first {limits.PARTS} are listed",)


# --- Signed and encrypted ----------------------------------------------------------

PGP = "-----BEGIN PGP {}MESSAGE-----\n\nhQ\n-----END PGP MESSAGE-----\n"


@pytest.mark.parametrize(
    ("raw", "protection"),
    [
        (multipart(PLAIN + b"x", b"Content-Type: application/pgp-signature\n\nx",
                   kind=b"signed"), "signed"),
        (multipart(b"Content-Type: application/pgp-encrypted\n\nVersion: 1",
                   b"Content-Type: application/octet-stream\n\nx",
                   kind=b"encrypted"), "encrypted"),
        (b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nx",
         "encrypted"),
        (b"Content-Type: application/x-pkcs7-mime; name=smime.p7m\n\nx", "encrypted"),
        (b"Content-Type: application/pkcs7-mime; smime-type=signed-data\n\nx",
         "signed"),
        (PLAIN + PGP.format("").encode(), "encrypted"),
        (PLAIN + PGP.format("SIGNED ").encode(), "signed"),
        (PLAIN + b"> -----BEGIN PGP MESSAGE-----\n", ""),
        (multipart(PLAIN + b"x", b"Content-Type: message/rfc822\n\n"
                   b"Content-Type: multipart/signed; boundary=q\n\n--q--\n"), ""),
        (PLAIN + b"hallo", ""),
    ],
)  # fmt: skip
def test_signed_and_encrypted_mail_is_told(raw, protection):
    assert parse(raw).protection == protection


def test_a_path_of_windows_is_no_escape():
    for path in (b"C:\\temp\\a.txt", b"C:\\\\temp\\\\a.txt", b"\\\\server\\a.txt"):
        raw = b'Content-Type: a/b\nContent-Disposition: attachment; filename="%s"\n\nx'
        assert parse(raw % path).attachments[0].filename == "a.txt"
    quoted = b'Content-Type: a/b; name="a\\"b.txt"\n\nx'
    assert parse(quoted).attachments[0].filename == 'a"b.txt'
