"""What staff read first: the new part, as Dutch and other programs write around it."""

import pytest

from bench.parsing import of_own
from bench.replies import SETS, cases
from threads.mail.quotes import spans


def parts(text):
    return {
        kind: "".join(text[start:end] for start, end in ranges).strip()
        for kind, ranges in spans(text).items()
    }


INTRODUCTIONS = [
    "Op wo 25 feb 2026 om 10:30 schreef Jan Jansen <jan@x.nl>:",
    "Op 25-02-2026 om 10:30 schreef Jan Jansen:",
    "Op 25 feb. 2026, om 10:30 heeft Jan <jan@x.nl> het volgende geschreven:",
    "Jan Jansen schreef op 25-02-2026 10:30:",
    "Jan Jansen <jan@x.nl> schreef op 25 februari 2026 om 10:30:",
    "On Wed, Feb 25, 2026 at 10:30 AM Jan Jansen <jan@x.nl> wrote:",
    "Am 25.02.2026 um 10:30 schrieb Jan Jansen:",
    "Le mer. 25 févr. 2026 à 10:30, Jan <jan@x.nl> a écrit :",
    "Op wo 25 feb 2026 om 10:30 schreef Jan Jansen van het\nlange bureau <jan@x.nl>:",
    "Op wo 25 feb 2026 om 10:30 schreef Jan Jansen <\njan@x.nl>:",
]


@pytest.mark.parametrize("introduction", INTRODUCTIONS)
def test_an_introduction_and_its_quote_are_quoted(introduction):
    """With `>` before the lines, and without, as HTML is often rendered."""
    for quote in ("> Kan dat?\n> Jan", "Kan dat?\nJan"):
        found = parts(f"Dat kan.\n\n{introduction}\n\n{quote}\n")
        assert found["reply"] == "Dat kan."
        assert found["quoted"] == f"{introduction}\n\n{quote}"


HEADS = [
    "Van: Jan <jan@x.nl>\nVerzonden: nu\nAan: Support\nCC: iemand\nOnderwerp: RE: x",
    "Van: Jan Jansen\nDatum: 25 februari 2026 om 10:30\nAan: Support\nOnderwerp: vraag",
    "________________________________\nVan: Jan\nVerzonden: nu\nOnderwerp: vraag",
    "-----Oorspronkelijk bericht-----\nVan: Jan\nOnderwerp: vraag",
    "---------- Doorgestuurd bericht ---------\nVan: Jan",
    "Begin doorgestuurd bericht:\n\nVan: Jan",
    "From: Jan [mailto:jan@x.nl]\nSent: Wednesday\nTo: us\nSubject: question",
    "Von: Jan <jan@x.nl>\nGesendet: Mittwoch\nAn: uns\nBetreff: Frage",
]


@pytest.mark.parametrize("head", HEADS)
def test_what_outlook_puts_below_is_quoted_to_the_end(head):
    found = parts(f"Dat kan.\n\n{head}\n\nKan dat?\n\nMvg,\nJan\n")
    assert found["reply"] == "Dat kan."
    assert found["quoted"].startswith(head)
    assert found["quoted"].endswith("Jan")


SIGNATURES = [
    "-- \nJan Jansen",
    "--\nJan Jansen\n06-12345678",
    "Verstuurd vanaf mijn iPhone",
    "Verzonden met de Outlook-app voor Android",
    "Outlook voor iOS downloaden<https://aka.ms/o0ukef>",
    "Met vriendelijke groet,\n\nJan Jansen\nDirecteur\n030-1234567",
    "Met vriendelijke groeten\nJan",
    "Vriendelijke groet, \nJan",
    "Groetjes,\nJan",
    "Mvg,\nJan",
    "Kind regards,\nJan",
    "Mit freundlichen Grüßen\nJan",
]


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_signature_is_one_before_a_quote_and_at_the_end(signature):
    for quote in ("", "\n\nOp 25-02-2026 om 10:30 schreef Piet:\n> Kan dat?"):
        found = parts(f"Beste Piet,\n\nDat kan.\n\n{signature}{quote}\n")
        assert found["reply"] == "Beste Piet,\n\nDat kan."
        assert found["signature"] == signature.strip()


UNSURE = [
    "Op 25 februari 2026 schreef ik jullie het volgende:\nmijn fiets is stuk.",
    "Dit schreef hij:\nnooit meer",
    "Van: Utrecht\nNaar: Zwolle\nDatum: morgen\nKan dat?",
    "Nieuw bericht\nVan: Jan\nOnderwerp: vraag\nBericht: kan dat?",
    "Groeten aan je vrouw\nen tot morgen",
    "Met vriendelijke groet,\nJan\n\nPS: morgen kan ook",
    "Met vriendelijke groet,\nJan\n\nHeb je dit gelezen?",
    "Boodschappen:\n- appels\n- peren",
    "Verstuurd vanaf mijn iPhone kwam het niet aan, daarom nog een keer.",
    "Het oorspronkelijk bericht\nis weg",
    "Dit -- zie boven -- is alles",
]


@pytest.mark.parametrize("text", UNSURE)
def test_when_unsure_nothing_is_cut(text):
    text = f"Hallo,\n{text}"
    assert parts(text)["reply"] == text


def test_answers_between_and_below_quotes_stay():
    text = (
        "Op 25-02-2026 om 10:30 schreef Jan:\n> Een?\nJa.\n> Twee?\n>\n> Drie?\nNee.\n"
    )
    assert parts(text)["reply"] == "Ja.\nNee."


def test_a_forward_without_a_word_keeps_all():
    for text in (HEADS[0], HEADS[3], "> alleen\n> dit"):
        whole = f"{text}\n\nKan dat?"
        assert parts(whole)["reply"] in {whole, "Kan dat?"}
        assert parts(f"{text}\n")["reply"] == text


# How many of each set are read as people would: nothing gets worse.
READ = {
    "dutch": 135,
    "dutch_held_out": 79,
    "english": 10,
    "german": 10,
    "french": 10,
    "spanish": 10,
    "italian": 10,
}


def test_replies_of_many_programs_are_told_apart():
    found = of_own()
    for name in SETS:
        agreed, asked, differing = found[name, "all three"]
        assert agreed >= READ[name], differing
        assert asked == len(list(cases(name)))


def test_what_is_below_answers_is_not_cut():
    text = "Hallo,\nMijn antwoorden staan in rood hieronder.\n\n" + HEADS[0] + "\nDrie."
    assert parts(text)["reply"] == text


@pytest.mark.parametrize(
    "below",
    [
        "Ik bel je morgen nog even.",
        "Kun je dit printen?",
        "N.B. de deur is dicht",
        "Dit is wat ik zag: " + "x" * 200,
    ],
)
def test_what_goes_on_below_a_greeting_is_not_cut(below):
    text = f"Dat kan.\n\nGroet,\nJan\n\n{below}"
    assert parts(text)["reply"] == text


@pytest.mark.parametrize(
    "told",
    [
        "Om 10:30 schreef Els mij dat het klaar was, maar bij de balie zag ik:",
        "Op 25 februari 2026 om 10:30 schreef ik jullie:",
        "U schreef op 25-02-2026 om 10:30:",
        "On 25 February 2026 at 10:30 you wrote:",
    ],
)
def test_who_tells_what_somebody_wrote_is_not_cut(told):
    text = f"Hallo,\n\n{told}\nde deur was dicht."
    assert parts(text)["reply"] == text


def test_a_form_of_a_website_is_not_cut():
    text = (
        "Nieuw bericht\n\nVan: jan@x.nl\nAan: ons\nDatum: nu\nOnderwerp: vraag\n"
        "Bericht: kan dat?"
    )
    assert parts(text)["reply"] == text


def test_a_forward_with_no_more_than_a_signature_keeps_all():
    for signature in ("Verstuurd vanaf mijn iPhone", "Groet,\nJan"):
        text = f"{signature}\n\n{HEADS[0]}\n\nKan dat?"
        assert parts(text)["reply"] == text


def test_every_character_is_somewhere_once():
    text = "Ja.\r\n\r\n" + "x" * 250_000 + "\n-- \nJan\n> a\u2028b"
    ranges = sorted(one for kind in spans(text).values() for one in kind)
    assert "".join(text[start:end] for start, end in ranges) == text
