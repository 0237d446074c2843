"""Merged and split by hand, and what mail that arrives later makes of it."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tests.mails import mail
from tests.mailservers import smtp_server
from threads import outbound, smtp
from threads.actors import Actor
from threads.errors import RefusedError
from threads.joining import merge, split
from threads.laws import LAWS
from threads.lifecycle import Changes, change, wake
from threads.models import Customer, Mailbox, Message, Thread, ThreadLink, User
from threads.notes import add_note
from webhooks.models import Event, EventBody

pytestmark = pytest.mark.django_db(transaction=True)

ANNA = Actor(type="user", id="anna@shop.nl", name="Anna")


@pytest.fixture
def anna(db):
    return User.objects.create_user("anna", "anna@shop.nl", "x")


@pytest.fixture
def letter(source, maildir, ingest):
    """Takes in one mail; answers with its message."""

    def take(name, *references, sender="klant@bedrijf.nl", **values):
        if references:
            values["references"] = " ".join(f"<{r}@x>" for r in references)
            values["in_reply_to"] = f"<{references[-1]}@x>"
        values.setdefault("text", f"{name}\n")
        maildir.deliver(mail(message_id=f"<{name}@x>", sender=sender, **values))
        assert ingest() == 0
        return Message.objects.get(message_id=f"{name}@x")

    return take


def partition():
    """Which mails are together, by name."""
    return {
        "+".join(sorted(m.message_id.removesuffix("@x") for m in t.messages.all()))
        for t in Thread.objects.standing()
    }


def broken():
    return [line for law in LAWS for line in law.broken()]


def told():
    return list(Event.objects.order_by("position").values_list("type", flat=True))


# --- Merging --------------------------------------------------------------------


def test_a_merged_thread_lives_on_in_the_other(letter, anna):
    first, second = letter("a"), letter("b", sender="ander@y.nl")
    add_note(second.thread_id, "Hoort bij de vorige.", actor=ANNA, author=anna)
    Thread.objects.filter(pk=first.thread_id).update(status="closed")
    stays = merge(second.thread_id, first.thread_id, actor=ANNA, author=anna)
    assert stays.pk == first.thread_id
    assert partition() == {"a+b"}
    gone = Thread.objects.get(pk=second.thread_id)
    stays.refresh_from_db()
    assert gone.merged_into == stays
    assert (stays.status, stays.message_count, gone.message_count) == ("open", 2, 0)
    assert stays.last_message == second
    assert stays.merged_ids == [gone.public_id]
    assert stays.notes.get().body == "Hoort bij de vorige."
    assert [p["address"] for p in stays.participants] == [
        "klant@bedrijf.nl",
        "ander@y.nl",
    ]
    assert told()[-1] == "thread.merged"
    body = EventBody.objects.latest("pk").body
    assert b'"actor":{"type":"user","id":"anna@shop.nl","name":"Anna"}' in bytes(body)
    assert ThreadLink.objects.get().kind == "link"
    assert Customer.objects.get(address="ander@y.nl").thread_count == 0
    assert broken() == []


def test_merging_again_changes_nothing(letter):
    first, second = letter("a"), letter("b", sender="ander@y.nl")
    merge(second.thread_id, first.thread_id, actor=ANNA)
    before = told()
    assert merge(second.thread_id, first.thread_id, actor=ANNA).pk == first.thread_id
    assert told() == before


def test_a_chain_of_merges_ends_in_one_thread(letter):
    a, b, c = letter("a"), letter("b", sender="b@y.nl"), letter("c", sender="c@y.nl")
    merge(a.thread_id, b.thread_id, actor=ANNA)
    merge(b.thread_id, c.thread_id, actor=ANNA)
    assert partition() == {"a+b+c"}
    assert merge(a.thread_id, c.thread_id, actor=ANNA).pk == c.thread_id
    assert broken() == []


def test_a_thread_is_not_merged_into_itself_or_across_mailboxes(letter):
    first = letter("a")
    other = Mailbox.objects.create(address="verkoop@shop.nl")
    foreign = Thread.objects.create(mailbox=other, subject="x")
    for target, code in (
        (first.thread_id, "same_thread"),
        (foreign.pk, "other_mailbox"),
    ):
        with pytest.raises(RefusedError) as refused:
            merge(first.thread_id, target, actor=ANNA)
        assert refused.value.code == code
    assert "thread.merged" not in told()


def test_mail_to_either_of_two_merged_threads_arrives_in_the_one(letter):
    first, second = letter("a"), letter("b", sender="ander@y.nl")
    merge(second.thread_id, first.thread_id, actor=ANNA)
    letter("c", "b", sender="ander@y.nl")
    letter("d", "a")
    assert partition() == {"a+b+c+d"}
    assert broken() == []


# --- Splitting ------------------------------------------------------------------


def test_a_message_and_what_came_after_it_get_their_own_thread(letter, anna):
    a, b, c = letter("a"), letter("b", "a", subject="Iets anders"), letter("c", "b")
    old = a.thread
    new = split(b.pk, actor=ANNA, author=anna)
    assert partition() == {"a", "b+c"}
    old.refresh_from_db()
    assert (old.message_count, old.last_message) == (1, a)
    assert (new.subject, new.message_count) == ("Iets anders", 2)
    assert new.last_message == c
    assert (old.related, new.related) == ([new.public_id], [old.public_id])
    assert new.customer == old.customer
    assert Customer.objects.get().thread_count == 2
    event = Event.objects.latest("position")
    assert (event.type, event.thread) == ("thread.split", old.public_id)
    cut = ThreadLink.objects.get()
    assert (cut.kind, cut.a, cut.b, cut.by) == ("cut", a, b, anna)
    assert broken() == []


def test_the_first_message_of_a_thread_is_not_split(letter):
    first = letter("a")
    letter("b", "a")
    with pytest.raises(RefusedError, match="first message"):
        split(first.pk, actor=ANNA)
    assert "thread.split" not in told()


def test_whoever_wrote_only_in_the_other_half_takes_no_part(letter, mailbox):
    mailbox.trusted_authserv_ids = ["mx.shop.nl"]
    mailbox.save()
    proven = {"authentication_results": "mx.shop.nl; dmarc=pass header.from=bedrijf.nl"}
    a = letter("a", **proven)
    b = letter("b", "a", cc="collega@bedrijf.nl", **proven)
    assert len(Thread.objects.get().participants) == 2
    new = split(b.pk, actor=ANNA)
    old = Thread.objects.get(pk=a.thread_id)
    assert [p["address"] for p in old.participants] == ["klant@bedrijf.nl"]
    assert {p["address"] for p in new.participants} == {
        "klant@bedrijf.nl",
        "collega@bedrijf.nl",
    }


def test_mail_that_reaches_both_halves_joins_that_of_its_nearest_reference(letter):
    letter("a")
    b = letter("b", "a")
    split(b.pk, actor=ANNA)
    letter("c", "a", "b")
    letter("d", "b", "a")
    assert partition() == {"a+d", "b+c"}
    assert "thread.merged" not in told()
    why = Message.objects.get(message_id="c@x").why_evidence
    assert "were split" in why
    assert broken() == []


def test_a_batch_that_reaches_both_halves_keeps_them_apart(letter, maildir, ingest):
    letter("a")
    b = letter("b", "a")
    split(b.pk, actor=ANNA)
    for name, references in (("c", "<a@x> <b@x>"), ("d", "<a@x> <b@x> <c@x>")):
        maildir.deliver(
            mail(
                message_id=f"<{name}@x>",
                sender="klant@bedrijf.nl",
                text=name,
                references=references,
            )
        )
    assert ingest() == 0
    assert partition() == {"a", "b+c+d"}
    assert broken() == []


def test_a_late_parent_of_both_halves_joins_the_older(letter):
    letter("a", "parent")
    b = letter("b", "parent")
    split(b.pk, actor=ANNA)
    letter("parent")
    assert partition() == {"a+parent", "b"}
    assert broken() == []


def test_the_answer_to_our_reply_in_the_new_half_stays_there(letter, mailbox):
    letter("a")
    b = letter("b", "a")
    new = split(b.pk, actor=ANNA)
    with smtp_server() as sink:
        mailbox.smtp = {"host": "127.0.0.1", "port": sink.port, "tls": "none"}
        mailbox.save()
        ours = outbound.reply(new.pk, outbound.Reply(body="Dank!"), actor=ANNA)
        smtp.send_due()
    letter(
        "c",
        references=f"<a@x> <b@x> <{ours.message_id}>",
        in_reply_to=f"<{ours.message_id}>",
    )
    new.refresh_from_db()
    assert new.message_count == 3
    assert broken() == []


def test_what_was_split_twice_stays_in_three(letter):
    letter("a")
    b, c = letter("b", "a"), letter("c", "a", "b")
    split(c.pk, actor=ANNA)
    split(b.pk, actor=ANNA)
    letter("d", "a", "b", "c")
    letter("e", "c", "b")
    assert partition() == {"a", "b+e", "c+d"}
    assert broken() == []


def test_a_half_that_merges_with_a_third_thread_stays_apart(letter):
    letter("a")
    b = letter("b", "a")
    split(b.pk, actor=ANNA)
    letter("z")
    letter("y", "z", "b")
    assert partition() == {"a", "b+y+z"}
    letter("x", "a", "z")
    assert partition() == {"a", "b+x+y+z"}
    assert broken() == []


def test_merging_what_was_split_takes_the_cut_away(letter):
    a = letter("a")
    b = letter("b", "a")
    new = split(b.pk, actor=ANNA)
    merge(new.pk, a.thread_id, actor=ANNA)
    assert [link.kind for link in ThreadLink.objects.all()] == ["link"]
    letter("c", "a", "b")
    assert partition() == {"a+b+c"}
    assert broken() == []


def test_a_reply_that_is_split_off_on_its_way_is_told_where_it_is(letter, mailbox):
    a = letter("a")
    letter("b", "a")
    with smtp_server() as sink:
        mailbox.smtp = {"host": "127.0.0.1", "port": sink.port, "tls": "none"}
        mailbox.save()
        ours = outbound.reply(a.thread_id, outbound.Reply(body="Dank!"), actor=ANNA)
        accept = sink.handle_DATA

        def split_now():
            split(ours.pk, actor=ANNA)
            connection.close()

        async def split_then_accept(*arguments):
            other = threading.Thread(target=split_now)
            other.start()
            other.join()
            return await accept(*arguments)

        sink.handle_DATA = split_then_accept
        smtp.send_due()
    ours.refresh_from_db()
    event = Event.objects.get(type="message.sent")
    assert event.thread == ours.thread.public_id != a.thread.public_id
    assert broken() == []


# --- Notes and snoozing -----------------------------------------------------------


def test_a_note_is_told_without_its_text(letter, anna):
    first = letter("a")
    note = add_note(first.thread_id, "Geheim.\r\n", actor=ANNA, author=anna)
    assert note.body == "Geheim."
    body = bytes(EventBody.objects.latest("pk").body)
    assert Event.objects.latest("position").type == "thread.updated"
    assert note.public_id.encode() in body
    assert b"Geheim" not in body
    assert broken() == []


def test_a_snoozed_thread_wakes_when_its_time_has_come(letter):
    first = letter("a")
    soon = timezone.now() + timedelta(hours=1)
    change(first.thread_id, actor=ANNA, changes=Changes(snoozed_until=soon))
    assert wake() == 0
    Thread.objects.update(snoozed_until=timezone.now() - timedelta(seconds=1))
    assert (wake(), wake()) == (1, 0)
    assert Thread.objects.get().snoozed_until is None
    body = bytes(EventBody.objects.latest("pk").body)
    assert told()[-2:] == ["thread.updated", "thread.updated"]
    assert b'"type":"timer"' in body
    assert broken() == []


def test_a_person_who_writes_wakes_a_snoozed_thread(letter):
    first = letter("a")
    Thread.objects.update(snoozed_until=timezone.now() + timedelta(days=3))
    letter("auto", "a", auto_submitted="auto-replied")
    assert Thread.objects.get(pk=first.thread_id).snoozed_until is not None
    letter("b", "a")
    assert Thread.objects.get(pk=first.thread_id).snoozed_until is None


def test_tags_are_added_and_taken_off_whatever_stood_there(letter):
    pk = letter("a").thread_id
    change(pk, actor=ANNA, changes=Changes(tags=["factuur", "haast"]))
    change(pk, actor=ANNA, changes=Changes(add_tags=["btw"], remove_tags=["haast"]))
    assert [t.name for t in Thread.objects.get(pk=pk).tags.all()] == ["btw", "factuur"]
    before = told()
    change(pk, actor=ANNA, changes=Changes(add_tags=["btw"]))
    assert told() == before


def test_an_empty_note_is_refused(letter):
    first = letter("a")
    with pytest.raises(RefusedError) as refused:
        add_note(first.thread_id, " \n", actor=ANNA)
    assert refused.value.code == "empty_note"
