"""Threads are a function of the set of mails, and strangers stay outside."""

from dataclasses import dataclass, field
from itertools import combinations, permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from threads.mail import tokens
from threads.matching import (
    REFERENCES_KEPT,
    Book,
    Card,
    Outgoing,
    lent,
    nearest_references,
    topic,
)

OURS = "support@shop.nl"


@dataclass(eq=False)
class Spot:
    """A thread of this test: mails by name, merged like ours."""

    mails: set = field(default_factory=set)
    into: "Spot | None" = None

    def standing(self):
        return self.into.standing() if self.into else self


def mail(
    name,
    sender,
    *references,
    to=(OURS,),
    cc=(),
    reply_to=(),
    auth="unknown",
    staff=False,
    message_id=None,
    subject="Vraag",
    date=None,
    keys=(),
):
    return {
        "name": name,
        "card": {
            "message_id": name if message_id is None else message_id,
            "sender": sender,
            "addressed": frozenset([sender, *to, *cc]) - {""},
            "lends": lent(
                sender=sender,
                to=to,
                cc=cc,
                reply_to=reply_to,
                authentication=auth,
                ours=frozenset({OURS}),
            ),
            "references": nearest_references([], references),
            "visible": (sender, tuple(reply_to), tuple(to), tuple(cc), subject, date),
            "refuted": auth == "fail",
            "staff": staff,
            "keys": tuple(keys),
            "topic": topic(subject),
        },
    }


def outgoing(message_id, *to, token="", subject="Vraag"):
    return {"message_id": message_id, "to": to, "token": token, "subject": subject}


def threads(mails, sent=(), *, strict=False, by_subject=False):
    """The partition that arises when `mails` arrive in this order; leaves marked."""
    book = Book(strict=strict, by_subject=by_subject)
    spots = []
    for ours in sent:
        spot = Spot({ours["message_id"]})
        spots.append(spot)
        book.add_outgoing(
            Outgoing(
                message_id=ours["message_id"],
                addressed=frozenset(ours["to"]),
                token=ours["token"],
                topic=topic(ours["subject"]),
                place=spot,
            )
        )
    for one in mails:
        card = Card(**one["card"])
        verdict = book.verdict(card)
        if verdict.leaf_of is not None:
            verdict.leaf_of.standing().mails.add(one["name"] + " (leaf)")
            card.place = verdict.leaf_of
        else:
            reached = {place.standing() for place in verdict.places}
            spot = reached.pop() if reached else Spot()
            if not spot.mails:
                spots.append(spot)
            for other in reached:
                spot.mails |= other.mails
                other.mails, other.into = set(), spot
            spot.mails.add(one["name"])
            card.place = spot
        book.add(card)
    return {frozenset(spot.mails) for spot in spots if spot.mails}


def groups(*names):
    return {frozenset(group.split("+")) for group in names}


# --- The rules ------------------------------------------------------------------


def test_an_answer_to_ones_own_mail_joins_it():
    mails = [mail("a", "klant@x.nl"), mail("b", "klant@x.nl", "a")]
    assert threads(mails) == groups("a+b")


def test_a_late_parent_joins_its_children_into_one_thread():
    first = mail("b", "klant@x.nl", "a")
    second = mail("c", "klant@x.nl", "a")
    parent = mail("a", "klant@x.nl")
    assert threads([first, second, parent]) == groups("a+b+c")


def test_two_answers_to_a_mail_we_never_saw_are_one_thread():
    mails = [mail("b", "k@x.nl", "unseen"), mail("c", "k@x.nl", "unseen")]
    assert threads(mails) == groups("b+c")


def test_a_proven_mail_lends_its_carbon_copies():
    start = mail("a", "klant@x.nl", cc=("collega@x.nl",), auth="pass")
    answer = mail("b", "collega@x.nl", "a", to=(OURS, "klant@x.nl"))
    assert threads([start, answer]) == groups("a+b")


def test_an_unproven_mail_lends_nobody_but_its_sender():
    start = mail("a", "klant@x.nl", cc=("collega@x.nl",))
    answer = mail("b", "collega@x.nl", "a", to=(OURS, "klant@x.nl"))
    assert threads([start, answer]) == groups("a", "b")


def test_whoever_we_addressed_answers_into_the_thread():
    mails = [mail("b", "klant@x.nl", "ours")]
    assert threads(mails, [outgoing("ours", "klant@x.nl")]) == groups("ours+b")


def test_the_nearest_of_our_mails_that_addressed_the_sender_counts():
    sent = [outgoing("first", "klant@x.nl"), outgoing("second", "ander@x.nl")]
    mails = [mail("b", "klant@x.nl", "first", "second")]
    assert threads(mails, sent) == groups("first+b", "second")


def test_a_proven_team_member_is_admitted_everywhere():
    mails = [mail("b", "teamlid@shop.nl", "ours", auth="pass", staff=True)]
    assert threads(mails, [outgoing("ours", "klant@x.nl")]) == groups("ours+b")


def test_the_same_mail_altered_on_the_way_stays_in_its_thread():
    mails = [mail("a", "k@x.nl", date=1), mail("a2", "k@x.nl", message_id="a", date=1)]
    assert threads(mails) == groups("a+a2")


def test_equal_subjects_prove_nothing():
    mails = [mail("a", "k@x.nl", subject="Re: Vraag"), mail("b", "k@x.nl")]
    assert threads(mails) == groups("a", "b")


def test_a_token_of_ours_does_what_a_lost_message_id_would_have_done():
    sent = [outgoing("ours", "klant@x.nl", token="t"), outgoing("b", "klant@x.nl")]
    assert threads([mail("a", "klant@x.nl", keys=["t"])], sent) == groups("ours+a", "b")


def test_of_a_threads_mails_the_token_names_the_one_that_went_to_the_sender():
    sent = [
        outgoing("new", "ander@x.nl", token="t"),
        outgoing("old", "klant@x.nl", token="t"),
    ]
    found = threads([mail("a", "klant@x.nl", keys=["t"])], sent)
    assert found == groups("new", "old+a")


def test_a_changed_subject_begins_a_thread_where_that_is_wanted():
    sent = [outgoing("ours", "klant@x.nl", token="t")]
    same = mail("a", "klant@x.nl", "ours", subject="AW: Re[2]: vraag")
    other = mail("b", "klant@x.nl", "ours", "a", subject="Re: Iets anders")
    marked = mail("c", "klant@x.nl", keys=["t"], subject="Nog iets")
    wordless = mail("d", "klant@x.nl", "b", subject="")
    for order in permutations([same, other, marked, wordless]):
        found = threads(order, sent, by_subject=True)
        assert found == groups("ours+a", "b+d", "c")
    assert threads([same, other, marked], sent) == groups("ours+a+b+c")


def test_references_that_loop_or_never_end_are_bounded():
    loop = [mail("a", "k@x.nl", "b", "a"), mail("b", "k@x.nl", "a", "b")]
    assert threads(loop) == groups("a+b")
    endless = nearest_references([], [f"{n}@x" for n in range(5_000)])
    assert len(endless) == 2 * REFERENCES_KEPT
    assert (endless[0], endless[-1]) == ("4999@x", "0@x")


# --- The attacks ----------------------------------------------------------------


def test_a_stranger_who_knows_an_inbound_message_id_stays_outside():
    victim = mail("a", "klant@x.nl")
    stranger = mail("evil", "dief@y.nl", "a", to=(OURS, "klant@x.nl"))
    assert threads([victim, stranger]) == groups("a", "evil")
    assert threads([stranger, victim]) == groups("a", "evil")


def test_a_leaked_id_of_ours_makes_a_leaf_that_pulls_nobody_in():
    sent = [outgoing("ours", "klant@x.nl")]
    stranger = mail("evil", "dief@y.nl", "ours")
    follower = mail("evil2", "dief@y.nl", "evil")
    assert threads([stranger, follower], sent) == groups("ours+evil (leaf)", "evil2")
    assert threads([follower, stranger], sent) == groups("ours+evil (leaf)", "evil2")


def test_a_leaked_token_makes_a_leaf_or_a_thread_of_its_own():
    sent = [outgoing("ours", "klant@x.nl", token="t")]
    stranger = mail("evil", "dief@y.nl", keys=["t"])
    refuted = mail("evil2", "klant@x.nl", keys=["t"], auth="fail")
    leaves = {frozenset({"ours", "evil (leaf)", "evil2 (leaf)"})}
    assert threads([stranger, refuted], sent) == leaves
    strict = threads([stranger, refuted], sent, strict=True)
    assert strict == groups("ours", "evil", "evil2")


def by_hand(*arguments, **values):
    """Sent by a team member with a mail program."""
    made = mail(*arguments, auth="pass", staff=True, **values)
    card = made["card"]
    card["by_hand"] = True
    card["lends"] -= {card["sender"]}
    return made


def test_the_team_is_not_led_into_a_thread_by_whom_it_answers():
    """A stranger cites and quotes what he overheard; a mail program repeats it."""
    sent = [outgoing("ours", "klant@x.nl", token="t")]
    stranger = mail("evil", "dief@y.nl", "ours")
    answer = by_hand(
        "hand", "anna@shop.nl", "ours", "evil", to=("dief@y.nl",), keys=["t"]
    )
    for order in permutations([stranger, answer]):
        found = threads(order, sent, strict=True)
        assert found == groups("ours", "evil+hand")
        assert not any({"ours", "hand"} <= group for group in threads(order, sent))


def test_what_the_team_sends_by_hand_joins_whom_it_goes_to():
    sent = [outgoing("ours", "klant@x.nl")]
    answer = by_hand("hand", "anna@shop.nl", "ours", to=("klant@x.nl", OURS))
    back = mail("b", "klant@x.nl", "hand", to=("anna@shop.nl", OURS))
    for order in permutations([answer, back]):
        assert threads(order, sent) == groups("ours+hand+b")
    forged = mail("evil", "anna@shop.nl", "hand", "ours")
    assert frozenset({"ours", "hand", "evil (leaf)"}) in threads([answer, forged], sent)


def test_a_form_with_a_token_in_it_gets_no_further_than_a_stranger():
    sent = [outgoing("ours", "klant@x.nl", token="t")]
    form = mail("form", OURS, keys=["t"], reply_to=("dief@y.nl",), auth="pass")
    assert threads([form], sent) == groups("ours+form (leaf)")


def test_a_token_cannot_be_guessed_and_is_read_in_any_case():
    made = {tokens.new_token() for _ in range(50)}
    assert len(made) == 50
    for token in made:
        address = tokens.answer_address("support@shop.nl", token)
        assert tokens.in_address(address.upper()) == token
        assert list(tokens.in_text(f"> {tokens.marker(token)}")) == [token]
    assert tokens.in_address("support+klant@shop.nl") == ""
    assert tokens.answer_address(f"{'a' * 60}@shop.nl", token) == ""


def test_a_leaf_merges_nothing():
    sent = [outgoing("one", "klant@x.nl"), outgoing("two", "ander@x.nl")]
    stranger = mail("evil", "dief@y.nl", "one", "two")
    assert threads([stranger], sent) == groups("one", "two+evil (leaf)")


def test_a_forged_from_lends_neither_its_evil_cc_nor_its_reply_to():
    victim = mail("a", "klant@x.nl")
    forged = mail("b", "klant@x.nl", "a", cc=("dief@y.nl",), reply_to=("dief@y.nl",))
    thief = mail("evil", "dief@y.nl", "b", to=(OURS, "klant@x.nl"))
    for order in permutations([victim, forged, thief]):
        assert frozenset({"evil"}) in threads(order)


def test_a_refuted_from_joins_nothing_and_lends_nobody():
    victim = mail("a", "klant@x.nl")
    forged = mail("b", "klant@x.nl", "a", auth="fail")
    assert threads([victim, forged]) == groups("a", "b")
    assert threads([forged, victim]) == groups("a", "b")


def test_a_refuted_answer_to_us_is_a_leaf_even_from_the_right_address():
    mails = [mail("b", "klant@x.nl", "ours", auth="fail")]
    assert threads(mails, [outgoing("ours", "klant@x.nl")]) == groups("ours+b (leaf)")


def test_the_victim_in_the_strangers_carbon_copy_is_not_drawn_to_him():
    stranger = mail("evil", "dief@y.nl", cc=("klant@x.nl",))
    answer = mail("b", "klant@x.nl", "evil", to=(OURS, "dief@y.nl"))
    own = mail("a", "klant@x.nl")
    assert frozenset({"a"}) in threads([own, stranger, answer])
    assert frozenset({"evil"}) in threads([stranger, answer, own])


def test_a_reused_message_id_glues_no_two_people():
    mails = [
        mail("a", "k@x.nl", message_id="same"),
        mail("b", "ander@y.nl", message_id="same"),
        mail("c", "ander@y.nl", "same"),
    ]
    for order in permutations(mails):
        assert threads(order) == groups("a", "b+c")


def test_a_mail_that_bears_our_id_is_not_taken_for_ours():
    sent = [outgoing("ours", "klant@x.nl")]
    fake = mail("fake", "dief@y.nl", message_id="ours")
    answer = mail("b", "dief@y.nl", "ours")
    found = threads([fake, answer], sent)
    assert found == groups("ours+b (leaf)", "fake")


def test_a_mail_without_one_sender_stands_alone():
    mails = [mail("a", "k@x.nl"), mail("b", "", "a"), mail("c", "", "a")]
    assert threads(mails) == groups("a", "b", "c")


def test_a_strict_mailbox_gives_the_stranger_a_thread_of_his_own():
    sent = [outgoing("ours", "klant@x.nl")]
    mails = [mail("evil", "dief@y.nl", "ours")]
    assert threads(mails, sent, strict=True) == groups("ours", "evil")


# --- Order does not matter --------------------------------------------------------

PEOPLE = ("klant@x.nl", "collega@x.nl", "dief@y.nl", "")
IDS = ("a", "b", "c", "d", "e", "unseen", "ours1", "ours2")
SENT = [
    outgoing("ours1", "klant@x.nl", token="t"),
    outgoing("ours2", "collega@x.nl", token="u"),
]

some_mail = st.builds(
    lambda sender, references, cc, auth, message_id, keys, subject: {
        "sender": sender,
        "references": references,
        "cc": cc,
        "auth": auth,
        "message_id": message_id,
        "keys": keys,
        "subject": subject,
    },
    keys=st.lists(st.sampled_from("tu"), max_size=1),
    subject=st.sampled_from(["Vraag", "Re: vraag", "Anders", ""]),
    sender=st.sampled_from(PEOPLE),
    references=st.lists(st.sampled_from(IDS), max_size=3),
    cc=st.lists(st.sampled_from(PEOPLE[:3]), max_size=2).map(tuple),
    auth=st.sampled_from(["pass", "unknown", "fail"]),
    message_id=st.sampled_from([None, "same", ""]),
)


def built(drawn):
    return [
        mail(
            "abcdefghijkl"[number],
            one["sender"],
            *one["references"],
            cc=one["cc"],
            auth=one["auth"],
            message_id=one["message_id"],
            keys=one["keys"],
            subject=one["subject"],
        )
        for number, one in enumerate(drawn)
    ]


@settings(max_examples=150, deadline=None)
@given(st.lists(some_mail, min_size=2, max_size=5), st.booleans(), st.booleans())
def test_every_order_of_a_small_set_gives_the_same_threads(drawn, strict, by_subject):
    mails = built(drawn)
    options = {"strict": strict, "by_subject": by_subject}
    expected = threads(mails, SENT, **options)
    for order in permutations(mails):
        assert threads(order, SENT, **options) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(some_mail, min_size=6, max_size=12), st.randoms(use_true_random=False))
def test_random_orders_of_larger_sets_give_the_same_threads(drawn, random):
    mails = built(drawn)
    expected = threads(mails, SENT)
    for _ in range(10):
        random.shuffle(mails)
        assert threads(mails, SENT) == expected


def test_all_orders_of_a_late_parent_with_its_family_agree():
    family = [
        mail("a", "k@x.nl", cc=("c@x.nl",), auth="pass"),
        mail("b", "k@x.nl", "a"),
        mail("c", "c@x.nl", "a", "b", to=(OURS, "k@x.nl"), auth="pass"),
        mail("d", "k@x.nl", "c", cc=("c@x.nl",)),
        mail("e", "dief@y.nl", "a", "b", "c", "d", to=(OURS, "k@x.nl", "c@x.nl")),
    ]
    outcomes = {frozenset(threads(order)) for order in permutations(family)}
    assert len(outcomes) == 1
    for pair in combinations(family, 2):
        assert threads(pair) == threads(pair[::-1])
