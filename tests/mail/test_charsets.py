"""Bytes as text: what is declared, what is true, and what was misread before."""

import pytest

from threads.mail.charsets import codec, decode
from threads.mail.headers import decoded
from threads.mail.mojibake import mended
from threads.mail.parse import parse

CHINESE = "您好，我想问一下这个订单的发票什么时候可以寄到？谢谢您的帮助。"
TRADITIONAL = "您好，我想請問這個訂單的發票什麼時候可以寄到？謝謝您的幫忙。"
JAPANESE = "お世話になっております。注文した商品がまだ届いていません。"
KOREAN = "안녕하세요. 주문한 상품이 아직 도착하지 않았습니다. 확인 부탁드립니다."
UNDECLARED = [
    (CHINESE, "gb18030"),
    (TRADITIONAL, "big5"),
    (JAPANESE, "euc_jp"),
    (JAPANESE, "cp932"),
    (JAPANESE, "iso-2022-jp"),
    (KOREAN, "cp949"),
]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("US-ASCII", "cp1252"),
        ('"iso-8859-1"', "cp1252"),
        ("ISO 8859-15", "iso8859-15"),
        ("iso8859_9", "cp1254"),
        ("charset=us-ascii", "cp1252"),
        ("3Dutf-8", "utf-8"),
        ("utf-8Return-Path:", "utf-8"),
        ("UTF8", "utf-8"),
        ("cp-1250", "cp1250"),
        ("win-1251", "cp1251"),
        ("windows 1252", "cp1252"),
        ("x-mac-cyrillic", "mac-cyrillic"),
        ("ks_c_5601-1987", "cp949"),
        ("gb2312", "gb18030"),
        ("windows-31j", "cp932"),
        ("TIS-620", "cp874"),
        ("x-unknown", None),
        ("fakescii", None),
        ("idna", None),
        ("zlib", None),
        ("a\x00b", None),
    ],
)
def test_labels_are_read_as_mail_means_them(label, name):
    assert codec(label) == name


@pytest.mark.parametrize(("text", "charset"), UNDECLARED)
@pytest.mark.parametrize("label", ["", "us-ascii", "x-unknown"])
def test_asian_text_that_does_not_say_so_is_known_by_its_common_characters(
    text, charset, label
):
    assert decode(text.encode(charset), label)[0] == text


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("Één reünie, geïnteresseerd in crème brûlée à la carte?", "cp1252"),
        ("ééééééééééééééééééééééééééé", "cp1252"),
        ("Привет, у меня вопрос по заказу номер пять", "cp1251"),
        ("Привет, у меня вопрос по заказу номер пять", "koi8-r"),
        ("Καλημέρα σας, έχω μια ερώτηση για την παραγγελία", "iso-8859-7"),
        ("สวัสดีครับ ผมมีคำถามเกี่ยวกับใบแจ้งหนี้", "cp874"),
        ("שלום, יש לי שאלה על החשבונית", "cp1255"),
    ],
)
def test_other_text_is_never_taken_for_asian(text, charset):
    raw = text.encode(charset)
    assert decode(raw, charset) == (text, True)
    assert decode(raw)[0] == raw.decode("cp1252", "replace")


@pytest.mark.parametrize(
    "label", ["iso-8859-2", "windows-1251", "koi8-r", "iso-8859-15", "us-ascii"]
)
def test_good_utf_8_overrules_a_charset_of_single_bytes(label):
    assert decode("geïnteresseerd".encode(), label)[0] == "geïnteresseerd"


def test_a_charset_of_double_bytes_is_overruled_by_more_than_chance():
    assert decode("联通".encode("gbk"), "gbk") == ("联通", True)
    assert decode("Příliš žluťoučký".encode(), "gbk")[0] == "Příliš žluťoučký"


def test_western_letters_within_utf_8_are_read_and_halves_are_not():
    raw = "geïnteresseerd, één: ".encode() + b"caf\xe9 en \xe2\x82"
    assert decode(raw, "utf-8") == ("geïnteresseerd, één: café en \ufffd", False)
    assert decode(b"caf\xe9 \x80 5", "utf-8") == ("café € 5", False)


def test_utf_7_is_read_only_when_declared():
    raw = b"+AGE- 1+-1"
    assert decode(raw, "utf-7")[0] == "a 1+1"
    assert decode(raw)[0] == decode(raw, "utf-8")[0] == "+AGE- 1+-1"


def test_a_byte_order_mark_is_no_text():
    assert decode("\ufeffHallo".encode(), "utf-8") == ("Hallo", True)


def test_utf_16_that_was_converted_and_kept_its_label():
    assert decode(b"Hallo Jan,", "utf-16") == ("Hallo Jan,", False)
    assert decode("Één".encode("utf-16"), "utf-16") == ("Één", True)


@pytest.mark.parametrize(
    ("header", "text"),
    [
        # A character in two words, and base64 cut anywhere.
        ("=?utf-8?Q?caf=C3?= =?utf-8?Q?=A9?=", "café"),
        ("=?utf-8?B?Y2Fmw?= =?utf-8?B?6k=?=", "café"),
        ("=?utf-8?B?Y2Fmw6?=\t=?utf-8?B?k=?=", "café"),
        ("=?utf-8?B?w6k?= =?utf-8?B?w6k?=", "éé"),
        ("=?utf-8?q?a?==?utf-8?q?b?=", "ab"),
        ("=?utf-8?Q?Wat nu? Ja!?=", "Wat nu? Ja!"),
        ("=?utf-8?q?caf=C3=A9=?=", "café"),
        ("=?utf-8?q?een?=twee", "eentwee"),
        ("=?x-unknown?q?caf=E9?=", "café"),
        ("=??q?caf=E9?=", "café"),
        ("=?utf-8*nl?q?caf=C3=A9?= x", "café x"),
        ("=?utf-8?q?Vraag_over_caf=C3=A9", "Vraag over café"),
        ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        ("=?utf-8?b?YQ==?= =?iso-8859-1?q?=E9?= b", "aé b"),
        ("1 =? 2 ?= 3", "1 =? 2 ?= 3"),
    ],
)
def test_encoded_words_are_read_however_they_are_broken(header, text):
    assert decoded(header) == text
    assert parse(f"Subject: {header}\n\nx".encode()).subject == text


def test_encoded_words_within_quotes_are_a_name():
    raw = b'From: "=?utf-8?q?Jan_de_Vri=C3=ABs?=" <jan@x.nl>\n\nx'
    (person,) = parse(raw).from_
    assert (person.name, person.address) == ("Jan de Vriës", "jan@x.nl")


def test_an_encoded_name_may_hold_what_separates_people():
    raw = b"From: =?utf-8?q?Wie,_wat?_=C3=A9=C3=A9n;_ja?= <jan@x.nl>\n\nx"
    (person,) = parse(raw).from_
    assert (person.name, person.address) == ("Wie, wat? één; ja", "jan@x.nl")


def test_raw_bytes_in_a_header_are_read():
    assert parse(b"Subject: caf\xe9\n\nx").subject == "café"
    assert parse("Subject: café\n\nx".encode()).subject == "café"
    assert parse(b"Subject: " + CHINESE.encode("gbk") + b"\n\nx").subject == CHINESE


def test_addresses_beyond_ascii_are_shown_as_written_and_compared_in_idna():
    mail = parse("From: Jürgen <jürgen@bücher.de>\nTo: 用户@例え.jp\n\nx".encode())
    assert mail.from_[0].address == "jürgen@bücher.de"
    assert mail.sender == "jürgen@xn--bcher-kva.de"
    assert mail.to[0].address == "用户@例え.jp"
    mail = parse(b"From: a@xn--bcher-kva.de\n\nx")
    assert mail.from_[0].address == mail.sender == "a@xn--bcher-kva.de"


# --- Misread before ----------------------------------------------------------------


@pytest.mark.parametrize("word", ["geïnteresseerd", "café", "déjà", "manœuvre", "Łódź"])
@pytest.mark.parametrize("charset", ["cp1252", "cp1253"])
def test_utf_8_that_was_misread_within_a_word_is_put_right(word, charset):
    misread = "".join(
        bytes([byte]).decode(charset, "ignore") or chr(byte) for byte in word.encode()
    )
    # Of Greek only what can't be Greek.
    if charset == "cp1252" or not {"Ε", "Δ"} & set(misread):
        assert mended(f"een {misread}!") == f"een {word}!"


@pytest.mark.parametrize(
    "text",
    [
        "“A IRMÃ”",
        "«CAFÉ»",
        "«À»",
        "NÃO, SÃO “MARÃ”",
        "Âge, Åse en Ærø “Å”",
        "Ελληνικά «ΑΒΓ»",
        "Γ«»",
        "3 € – 5 €…",
        "¨C¤éÅ¥MP3 ÁcÅé¤¤¤å¥ú",
    ],
)
def test_what_people_write_is_left_alone(text):
    assert mended(text) == text


def test_a_repaired_mail_says_so_and_its_original_is_untouched():
    body = "Wij creΓ«ren cafÃ© en caféplezier.\n"
    raw = f"From: RenÃ© <r@x.nl>\nSubject: DÃ©jÃ\xa0 vu\n\n{body}".encode()
    mail = parse(raw)
    assert mail.repaired
    assert mail.body_text == "Wij creëren café en caféplezier."
    assert (mail.subject, mail.from_[0].name) == ("Déjà vu", "René")
    assert not parse("Subject: café\n\ncafé".encode()).repaired
    html = parse("Content-Type: text/html\n\n<p>cafÃ©</p>".encode())
    assert (html.body_html, html.repaired) == ("<p>café</p>", True)
