"""Names and domains that claim more than the address proves."""

import pytest

from threads.mail.impostors import warnings
from threads.mail.parsed import Address


def codes(name, address, *, names=("Shop Klantendienst", "Support")):
    found = warnings([Address(address, name)], names=names, domains={"shop.nl"})
    return [code for code, _ in found]


@pytest.mark.parametrize(
    ("name", "address", "found"),
    [
        ("Jan de Vries", "jan@bedrijf.nl", []),
        ("jan@bedrijf.nl", "Jan@Bedrijf.nl", []),
        ("Directeur <ceo@bank.nl>", "x@evil.nl", ["display_name_address"]),
        ("ceo@shop.nl", "x@evil.nl", ["display_name_address", "display_name_domain"]),
        ("Hulp van SHOP.NL", "x@evil.nl", ["display_name_domain"]),
        ("Webshop.nl", "x@webshop.nl", []),
        ("shop klantendienst", "x@evil.nl", ["display_name_mailbox"]),
        ("Shop Klantendienst", "support@shop.nl", []),
        # Everybody has a Support.
        ("Microsoft Support", "x@microsoft.com", []),
        ("Jan\u202ede Vries", "jan@bedrijf.nl", ["hidden_characters"]),
        ("Jan\u200dde Vries", "jan@bedrijf.nl", ["hidden_characters"]),
        ("\U0001f469\u200d\U0001f4bb Anna", "anna@bedrijf.nl", []),
        ("Anna \u2764\ufe0f\u200d\U0001f525", "anna@bedrijf.nl", []),
        ("s\u200bhop.nl", "x@evil.nl", ["hidden_characters", "display_name_domain"]),
        # The first letter is Cyrillic.
        ("ѕhop.nl", "x@evil.nl", ["display_name_domain"]),
        ("ｓｈｏｐ.ｎｌ", "x@evil.nl", ["display_name_domain"]),
    ],
)
def test_a_name_that_claims_more_is_noticed(name, address, found):
    assert codes(name, address) == found


@pytest.mark.parametrize(
    ("domain", "found"),
    [
        ("bücher.de", []),
        ("xn--bcher-kva.de", []),
        ("почта.рф", []),
        ("日本のテスト.jp", []),
        # The first letter is Cyrillic, or all of them are.
        ("раypal.com", ["mixed_script_domain"]),
        ("ѕһор.nl", ["lookalike_domain"]),
        ("xn--n1a2fwd.nl", []),
        ("shoр.nl", ["mixed_script_domain", "lookalike_domain"]),
        ("sh0p.nl", ["lookalike_domain"]),
        ("webshop.nl", []),
        ("shop.de", []),
    ],
)
def test_a_domain_in_borrowed_letters_is_noticed(domain, found):
    assert codes("", f"x@{domain}") == found


@pytest.mark.parametrize(
    ("sender", "reply_to", "found"),
    [
        ("jan@bedrijf.nl", "piet@bedrijf.nl", []),
        ("jan@bedrijf.nl", "jan@mail.Bedrijf.nl", []),
        ("jan@mail.bedrijf.nl", "jan@bedrijf.nl", []),
        ("jan@bedrijf.nl", "jan@anderbedrijf.nl", ["jan@anderbedrijf.nl"]),
        ("ceo@bank.nl", "ceo@evil.nl", ["ceo@evil.nl"]),
        # Forms name the customer so.
        ("form@shop.nl", "klant@bedrijf.nl", []),
        ("No-Reply@forms.com", "klant@bedrijf.nl", []),
        ("", "klant@bedrijf.nl", []),
        ("jan@bedrijf.nl", "nobody", []),
    ],
)
def test_answers_that_would_go_elsewhere_are_noticed(sender, reply_to, found):
    odd = warnings(
        [Address(sender)], [Address(reply_to)], names=(), domains={"shop.nl"}
    )
    assert odd == [("reply_to_domain", one) for one in found]


def test_several_senders_are_told():
    ceo, evil = Address("ceo@ok.nl"), Address("x@evil.nl")
    assert warnings([ceo, evil], names=(), domains=()) == [
        ("several_senders", "ceo@ok.nl, x@evil.nl")
    ]
