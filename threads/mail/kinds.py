"""What a file is: as its mail declares it, unless its first bytes know better.

They are asked in two cases only: the declaration says nothing (octet-stream), or the
bytes are a program, whatever picture or document it is said to be.
"""

import re

OCTETS = "application/octet-stream"
_NOTHING_SAID = frozenset(
    {
        OCTETS, "application/binary", "application/download", "application/file",
        "application/force-download", "application/unknown", "application/x-download",
        "application/x-unknown", "binary/octet-stream", "unknown/unknown",
    }
)  # fmt: skip
_PROGRAM = "application/vnd.microsoft.portable-executable"
_PROGRAMS = (
    # A text may begin with MZ too, but has no NUL.
    (re.compile(rb"MZ[^\x00]{0,62}\x00"), _PROGRAM),
    (re.compile(rb"\x7fELF[\x01\x02][\x01\x02]"), "application/x-elf"),
    (
        re.compile(rb"\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe"),
        "application/x-mach-binary",
    ),
    # A shortcut of Windows, which starts what it names.
    (
        re.compile(rb"L\x00\x00\x00\x01\x14\x02\x00"),
        "application/x-ms-shortcut",
    ),
)
# All that a program may honestly be called.
_RUNS = frozenset(
    {
        _PROGRAM, "application/x-dosexec", "application/x-elf",
        "application/x-executable", "application/x-mach-binary",
        "application/x-ms-dos-executable", "application/x-ms-shortcut",
        "application/x-msdos-program", "application/x-msdownload",
        "application/x-sharedlib",
    }
)  # fmt: skip
_MAGIC = (
    (re.compile(rb"%PDF-"), "application/pdf"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"II\*\x00|MM\x00\*"), "image/tiff"),
    (re.compile(rb"BM.{4}\x00{4}", re.DOTALL), "image/bmp"),
    (re.compile(rb".{4}ftyp(?:heic|heix|mif1)", re.DOTALL), "image/heic"),
    (re.compile(rb".{4}ftyp", re.DOTALL), "video/mp4"),
    (re.compile(rb"ID3|\xff\xfb"), "audio/mpeg"),
    (re.compile(rb"OggS"), "audio/ogg"),
    (re.compile(rb"RIFF.{4}WAVE", re.DOTALL), "audio/wav"),
    (re.compile(rb"PK\x03\x04.{26}mimetypeapplication/epub", re.DOTALL),
     "application/epub+zip"),
    (re.compile(rb"PK(?:\x03\x04|\x05\x06)"), "application/zip"),
    (re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "application/x-ole-storage"),
    (re.compile(rb"Rar!\x1a\x07"), "application/vnd.rar"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "application/x-7z-compressed"),
    (re.compile(rb"\x1f\x8b\x08"), "application/gzip"),
    (re.compile(rb"\{\\rtf"), "application/rtf"),
    (re.compile(rb"BEGIN:VCALENDAR\r?\n"), "text/calendar"),
    (re.compile(rb"BEGIN:VCARD\r?\n"), "text/vcard"),
)  # fmt: skip
# Of these the bytes only say the wrapping; the name says which.
_DOCUMENTS = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
}
_OLD_DOCUMENTS = {
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
    "msg": "application/vnd.ms-outlook",
    "msi": "application/x-msi",
}
_WRAPPINGS = {
    "application/zip": _DOCUMENTS,
    "application/x-ole-storage": _OLD_DOCUMENTS,
}


def told_apart(declared: str, name: str, data: bytes) -> str:
    """The type to believe.

    >>> told_apart("application/octet-stream", "a.bin", b"%PDF-1.7")
    'application/pdf'
    >>> told_apart("image/png", "foto.png", b"\\x7fELF\\x02\\x01\\x01")
    'application/x-elf'
    >>> told_apart("image/png", "foto.png", b"GIF89a")
    'image/png'
    """
    program = _program(data)
    if program:
        return declared if declared in _RUNS else program
    if declared not in _NOTHING_SAID:
        return declared
    found = sniffed(data)
    extension = name.rpartition(".")[2].lower()
    return _WRAPPINGS.get(found, {}).get(extension, found) or declared


def sniffed(data: bytes) -> str:
    """What the first bytes show; `""` when they show nothing."""
    return next((kind for magic, kind in _MAGIC if magic.match(data)), "")


def is_program(kind: str) -> bool:
    return kind in _RUNS


def _program(data: bytes) -> str:
    return next((kind for magic, kind in _PROGRAMS if magic.match(data)), "")
