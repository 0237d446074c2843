"""Order does not matter: the same mails give the same threads, in the database too."""

import random
from itertools import permutations
from uuid import uuid4

import pytest

from tests.mails import mail
from threads import ledger
from threads.arrival import Incoming, store
from threads.house import House
from threads.laws import LAWS
from threads.mail.parse import parse
from threads.models import Mailbox, Message, Source, Thread
from threads.sources.base import Copy
from webhooks.models import Event

pytestmark = pytest.mark.django_db

PEOPLE = ("klant@x.nl", "collega@x.nl", "dief@y.nl")
PROVEN = "mx.shop.nl; dmarc=pass header.from="
number = iter(range(10**9))


def stored(mails, size):
    """Store these mails in a fresh mailbox, in batches; the partition by Message-ID."""
    mailbox = Mailbox.objects.create(
        address=f"m{next(number)}@shop.nl", trusted_authserv_ids=["mx.shop.nl"]
    )
    source = Source.objects.create(mailbox=mailbox, kind="maildir", location="x")
    token = uuid4()
    for start in range(0, len(mails), size):
        arrived = [
            ledger.Arrived(Copy(str(next(number)), len(m), ""), str(next(number)), m)
            for m in mails[start : start + size]
        ]
        records = ledger.enter(source, "", arrived, token=token, silent=False)
        batch = [
            Incoming(
                record, parse(content.content, trusted_authserv_ids=["mx.shop.nl"])
            )
            for record, content in zip(records, arrived, strict=True)
        ]
        store(mailbox, batch, house=House.of(mailbox), token=token)
    threads = Thread.objects.standing().filter(mailbox=mailbox)
    return frozenset(
        frozenset(t.messages.values_list("message_id", flat=True)) for t in threads
    )


def letter(name, sender, references=(), *, cc="", proven=False):
    headers = {}
    if references:
        headers["references"] = " ".join(f"<{r}@x>" for r in references)
    if cc:
        headers["cc"] = cc
    if proven:
        domain = sender.partition("@")[2]
        headers["authentication_results"] = PROVEN + domain
    return mail(message_id=f"<{name}@x>", sender=sender, text=f"{name}\n", **headers)


def test_all_orders_of_a_family_with_a_late_parent_agree():
    family = [
        letter("a", "klant@x.nl", cc="collega@x.nl", proven=True),
        letter("b", "klant@x.nl", ["a"]),
        letter("c", "collega@x.nl", ["a", "b"], cc="klant@x.nl", proven=True),
        letter("d", "dief@y.nl", ["a", "b"], cc="klant@x.nl"),
    ]
    outcomes = {stored(list(order), 2) for order in permutations(family)}
    assert outcomes == {
        frozenset({frozenset({"a@x", "b@x", "c@x"}), frozenset({"d@x"})})
    }
    assert [line for law in LAWS for line in law.broken()] == []


@pytest.mark.parametrize("seed", range(6))
def test_random_sets_agree_in_every_order_and_batch_size(seed):
    chance = random.Random(seed)
    names = "abcdefghijkl"
    mails = [
        letter(
            name,
            chance.choice(PEOPLE),
            chance.sample(names + "z", chance.randint(0, 3)),
            cc=chance.choice(["", *PEOPLE]),
            proven=chance.random() < 0.4,
        )
        for name in names
    ]
    expected = stored(mails, 50)
    for size in (1, 3, 12):
        chance.shuffle(mails)
        assert stored(mails, size) == expected
    assert [line for law in LAWS for line in law.broken()] == []
    told = Event.objects.filter(type="message.received").count()
    assert told == Message.objects.count()
