"""A webhook may be told one event after the other, and at most so many a second."""

import os
import signal
import threading
from collections import Counter
from contextlib import ExitStack, closing
from datetime import timedelta
from math import inf
from time import monotonic, sleep
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from tests.processes import eventually, running, started
from tests.receivers import receiving
from tests.webhooks.test_growth import LARGE, many, plans
from webhooks import outbox, pace, replays, results, subscriptions
from webhooks.admin.words import why_not_delivered
from webhooks.claims import Rooms, claim, oldest_due, recover, work
from webhooks.delivery import deliver_now, drain
from webhooks.jobs import Targets, load
from webhooks.leases import clock, in_seconds
from webhooks.models import Attempt, Delivery, Event, Webhook
from webhooks.pace import Slots
from webhooks.rules import InvalidWebhookError, policy
from webhooks.senders import Senders, send
from webhooks.transport import Transport

pytestmark = pytest.mark.django_db(transaction=True)

ROOMS = Rooms(room=96, unknown=32, failing=8)
NOWHERE = "http://127.0.0.1:9999/"
DAY = timedelta(days=1)


def run(seconds=20):
    return drain(budget_seconds=seconds)


def states():
    return Counter(Delivery.objects.values_list("state", flat=True))


def heard(receiver):
    """The ids of the events, as they came."""
    return [headers["webhook-id"] for _, headers, _ in receiver.requests]


def ids(events):
    return [event.public_id for event in events]


# --- One after the other ---------------------------------------------------------


def test_events_come_in_their_order_one_at_a_time(webhook, publish):
    with receiving(delay=0.01) as receiver:
        webhook(receiver.url, ordered=True)
        told = [event for _ in range(3) for event in publish(5)]
        # When each is due says nothing.
        for number, delivery in enumerate(Delivery.objects.order_by("pk")):
            Delivery.objects.filter(pk=delivery.pk).update(next_at=in_seconds(-number))
        run()
        assert heard(receiver) == ids(told)
        assert receiver.most_in_flight == 1
    assert states() == {"succeeded": 15}


def test_one_that_fails_holds_up_the_rest_and_is_tried_again_first(webhook, publish):
    with receiving((500, {}, b""), (204, {}, b"")) as receiver, receiving() as other:
        webhook(receiver.url, ordered=True)
        webhook(other.url)
        told = publish(3)
        run()
        assert len(receiver.requests) == 1
        assert len(other.requests) == 3
        assert states() == {"pending": 3, "succeeded": 3}
        Delivery.objects.filter(attempts=1, state="pending").update(next_at=Now())
        run()
        assert heard(receiver) == ids([told[0], *told])


def test_one_that_is_given_up_frees_the_next(webhook, publish):
    with receiving((500, {}, b""), (204, {}, b"")) as receiver:
        webhook(receiver.url, ordered=True)
        told = publish(3)
        first = Delivery.objects.order_by("pk").first()
        Delivery.objects.filter(pk=first.pk).update(attempts=9)
        run()
        assert heard(receiver) == ids(told)
    assert states() == {"exhausted": 1, "succeeded": 2}


@pytest.mark.parametrize("state", ["cancelled", "held", "exhausted"])
def test_what_is_not_on_its_way_holds_up_nobody(webhook, publish, state):
    with receiving() as receiver:
        webhook(receiver.url, ordered=True)
        told = publish(2)
        first = Delivery.objects.order_by("pk").first()
        Delivery.objects.filter(pk=first.pk).update(state=state)
        run()
        assert heard(receiver) == ids(told[1:])


def test_a_lost_lease_comes_back_as_the_first(webhook, publish):
    with receiving() as receiver:
        webhook(receiver.url, ordered=True)
        told = publish(3)
        assert claim(uuid4(), ROOMS).count == 1
        assert claim(uuid4(), ROOMS).count == 0
        Delivery.objects.filter(state="claimed").update(claimed_until=in_seconds(-1))
        # Its lease is over, and nobody has looked after it yet.
        assert claim(uuid4(), ROOMS).count == 0
        recover()
        run()
        assert heard(receiver) == ids(told)


def test_paused_and_enabled_it_keeps_the_order(webhook, publish):
    with receiving((500, {}, b""), (204, {}, b"")) as receiver:
        hook = webhook(receiver.url, ordered=True)
        told = publish(2)
        run()
        subscriptions.change(hook, {"state": "paused"})
        told += publish(2)
        subscriptions.enable(hook)
        run()
        assert heard(receiver) == ids([told[0], *told])


def test_a_backlog_that_was_given_up_goes_out_in_order_behind_the_rest(
    webhook, publish
):
    with receiving() as receiver:
        hook = webhook(receiver.url, ordered=True)
        lost = publish(6)
        Webhook.objects.update(failing_since=in_seconds(-60))
        Delivery.objects.update(state="exhausted", finished_at=Now())
        told = publish(1)
        subscriptions.enable(hook, with_exhausted=True)
        run()
        assert heard(receiver) == ids([*told, *lost])


def test_what_is_sent_again_is_a_new_delivery_and_stands_behind(webhook, publish):
    with receiving() as receiver:
        hook = webhook(receiver.url, ordered=True)
        told = publish(2)
        run()
        waiting = publish(2)
        outbox.replay(Delivery.objects.order_by("pk").first())
        replays.begin(hook, since=told[0].created_at - DAY, states=["succeeded"])
        replays.advance()
        run()
        # The second was not sent again since, so the job sends it.
        assert heard(receiver) == ids([*told, *waiting, told[0], told[1]])


def test_a_test_event_waits_for_nobody(webhook, publish):
    with receiving((500, {}, b""), (204, {}, b"")) as receiver:
        hook = webhook(receiver.url, ordered=True)
        publish(3)
        run()
        tested = outbox.test(hook, "webhook.test")
        run()
        assert heard(receiver)[1:] == [tested.event.public_id]
        sent = deliver_now(outbox.test(hook, "webhook.test"))
        assert sent.state == "succeeded"
    assert states() == {"pending": 3, "succeeded": 2}


def test_a_test_event_keeps_nobody_waiting_and_counts_for_the_cap(webhook, publish):
    hook = webhook(NOWHERE, ordered=True)
    Webhook.objects.update(max_in_flight=2)
    publish(2)
    outbox.test(hook, "webhook.test")
    outbox.test(hook, "webhook.test")
    rooms = Rooms(room=9, unknown=9, failing=9, prompt={hook.pk})
    assert claim(uuid4(), rooms).count == 2
    claimed = Delivery.objects.filter(state="claimed")
    assert sorted(claimed.values_list("is_test", flat=True)) == [False, True]
    assert claim(uuid4(), rooms).count == 0


def test_it_may_be_switched_on_while_several_are_under_way(webhook, publish):
    hook = webhook(NOWHERE)
    publish(6)
    rooms = Rooms(room=9, unknown=9, failing=9, prompt={hook.pk})
    assert claim(uuid4(), rooms).count == 4
    subscriptions.change(hook, {"ordered": True})
    assert claim(uuid4(), rooms).count == 0
    Delivery.objects.filter(state="claimed").update(state="succeeded")
    assert claim(uuid4(), rooms).count == 1


def test_a_test_alone_is_due_as_any_other(webhook, publish):
    hook = webhook(NOWHERE, ordered=True)
    publish()
    Delivery.objects.update(next_at=in_seconds(300))
    assert oldest_due() is None
    due = outbox.test(hook, "webhook.test").next_at
    assert oldest_due() == due
    Delivery.objects.filter(is_test=False).delete()
    assert oldest_due() == due


def test_who_waits_for_another_is_not_overdue(webhook, publish):
    webhook(NOWHERE, ordered=True)
    publish(2)
    assert oldest_due() is not None
    first = Delivery.objects.order_by("pk").first()
    Delivery.objects.filter(pk=first.pk).update(next_at=in_seconds(30))
    assert oldest_due() is None
    assert not work()
    # Whoever lingers stays for it.
    assert work(within=60)


def test_many_claimers_never_have_two_of_a_webhook(webhook, publish):
    for number in range(3):
        webhook(f"{NOWHERE}{number}", ordered=True)
    publish(300)
    end = monotonic() + 2
    taken, twos = [], []

    def work():
        try:
            while monotonic() < end:
                token = uuid4()
                taken.append(claim(token, ROOMS).count)
                claimed = Delivery.objects.filter(state="claimed")
                each = Counter(claimed.values_list("webhook", flat=True))
                twos.extend(pk for pk, count in each.items() if count > 1)
                claimed.filter(token=token).update(state="succeeded")
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert twos == []
    assert sum(taken) == states()["succeeded"] > 10
    # None was passed over.
    for hook in Webhook.objects.all():
        done = Delivery.objects.filter(webhook=hook, state="succeeded")
        waiting = Delivery.objects.filter(webhook=hook, state="pending")
        # On a quick machine nothing waits any more.
        assert not waiting.filter(pk__lt=done.latest("pk").pk).exists()


def test_under_its_lock_a_webhook_is_looked_at_again(webhook, publish):
    """Whoever chose it may have seen it as it was before another's claim."""
    ordered = webhook(NOWHERE, ordered=True)
    paced = webhook(f"{NOWHERE}2", rate_limit=1)
    publish(3)
    before = pace.of([ordered.pk, paced.pk])
    assert [one.turns for one in before.values()] == [1, 1]
    assert claim(uuid4(), ROOMS).count == 2
    after = pace.of([ordered.pk, paced.pk])
    assert [one.turns for one in after.values()] == [0, 0]


def test_events_of_many_writers_come_in_the_order_of_the_log(webhook, publish):
    with receiving() as receiver:
        webhook(receiver.url, ordered=True)
        published = threading.Barrier(4)

        def write():
            try:
                published.wait()
                for _ in range(8):
                    publish(2)
            finally:
                connection.close()

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            run()
        run()
        assert heard(receiver) == ids(Event.objects.order_by("position"))
        assert len(receiver.requests) == 64


DRAINS = """
import django
django.setup()
from webhooks.delivery import drain
drain(budget_seconds=40, lease="{name}")
"""


def test_three_drains_failures_and_kills_keep_the_order(
    webhook, publish, environment, tmp_path
):
    """Each drain is a process; the receiver judges."""
    fails = [(500, {}, b""), (204, {}, b""), (204, {}, b"")] * 4
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving(*fails, (204, {}, b""), delay=0.1))
        webhook(receiver.url, ordered=True)
        told = ids(event for _ in range(3) for event in publish(8))
        one, two, three = [
            stack.enter_context(
                started(
                    {**environment, "DJANGO_SETTINGS_MODULE": "mailbelly.settings"},
                    tmp_path / name,
                    "-c",
                    DRAINS.format(name=name),
                )
            )
            for name in ("one", "two", "three")
        ]

        def came(count):
            """Of course retries are due at once here."""
            waiting = Delivery.objects.filter(state="pending", attempts__gt=0)
            waiting.update(next_at=Now())
            return len(receiver.requests) >= count

        def strike(*drains):
            eventually(lambda: receiver.in_flight)
            for process in drains:
                os.kill(process.pid, signal.SIGKILL)
            held = list(
                Delivery.objects.filter(state="claimed").values_list("token", flat=True)
            )
            # What a dead one held, nobody has finished by then; its lease ends.
            sleep(1)
            lost = Delivery.objects.filter(state="claimed", token__in=held)
            lost.update(claimed_until=in_seconds(-1))
            recover()

        eventually(lambda: came(5))
        strike(one)
        eventually(lambda: came(10))
        strike(two, three)
        eventually(lambda: came(0) and run() and states() == {"succeeded": 24})
        places = [told.index(event) for event in heard(receiver)]
    assert places == sorted(places)
    assert set(places) == set(range(24))
    lost = sum(Delivery.objects.values_list("lost_leases", flat=True))
    assert 1 <= lost <= 2
    assert len(places) <= 24 + 4 + lost
    assert receiver.most_in_flight == 1


# --- At most so many a second ----------------------------------------------------


def most_in_a_second(times):
    times = sorted(times)
    return max(sum(at <= other < at + 1 for other in times) for at in times)


class Metronome:
    """Notices when this machine stood still, so that nobody else is blamed for it."""

    def __init__(self):
        self.stops = []
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._tick)

    def _tick(self):
        last = monotonic()
        while not self.done.wait(0.01):
            now = monotonic()
            if now - last > 0.15:
                self.stops.append((last, now))
            last = now

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def went(self, begin, end):
        return not any(a < end and begin < b for a, b in self.stops)


def test_two_machines_together_send_five_a_second(
    webhook, publish, environment, tmp_path
):
    """Workers in process groups of their own, which share the database alone.

    One that answers well would stay with the machine that knows it.
    """
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving((500, {}, b""), delay=0.02))
        for name in ("one", "two"):
            worker = stack.enter_context(
                running(
                    environment,
                    tmp_path / f"{name}.log",
                    "worker",
                    FAULT_STEP=f"log:{tmp_path / name}",
                )
            )
            worker.says("is ready")
        metronome = stack.enter_context(Metronome())
        webhook(receiver.url, rate_limit=5)
        # So many rings that both hear one.
        for _ in range(40):
            publish()
            sleep(0.03)
        receiver.wait_for(40, seconds=40)
        times = receiver.times[:40]
        shares = [
            (tmp_path / name).read_text().split().count("delivery.sending")
            for name in ("one", "two")
        ]
    assert min(shares) > 5
    assert len(set(heard(receiver)[:40])) == 40
    judged = 0
    for begin in [times[0] + 0.1 * step for step in range(70)]:
        if metronome.went(begin, begin + 1):
            judged += 1
            count = sum(begin <= at < begin + 1 for at in times)
            assert 4 <= count <= 6, (begin - times[0], [at - times[0] for at in times])
    assert judged >= 5
    assert times[-1] - times[0] > 39 * 0.2 - 0.5


def test_many_claimers_take_no_slot_twice(webhook, publish):
    hook = webhook(NOWHERE, rate_limit=5)
    Webhook.objects.update(max_in_flight=64)
    publish(40)
    rooms = Rooms(room=64, unknown=0, failing=0, prompt={hook.pk})
    begun, end = clock(), monotonic() + 2
    taken = []

    def work():
        try:
            while monotonic() < end:
                taken.append(claim(uuid4(), rooms).count)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    count = sum(taken)
    assert count == Delivery.objects.filter(state="claimed").count()
    # Up to half a second ahead.
    assert count >= 10
    last = Webhook.objects.get().next_slot_at
    assert 0.2 * count - 0.01 < (last - begun).total_seconds() < 0.2 * (count + 1)


def test_a_backlog_goes_on_by_itself_at_its_pace(webhook, publish):
    with receiving() as receiver, receiving() as other:
        webhook(receiver.url, rate_limit=10)
        webhook(other.url)
        publish(15)
        run()
        assert len(receiver.requests) == len(other.requests) == 15
        assert receiver.times[-1] - receiver.times[0] > 1.2
        assert other.times[-1] < receiver.times[-2]
    assert states() == {"succeeded": 30}


def test_a_slow_receiver_gets_its_pace_by_as_many_as_it_needs(webhook, publish):
    with receiving(delay=0.5) as receiver:
        webhook(receiver.url, rate_limit=5)
        publish(15)
        run()
        # The first one showed how slow it is.
        took = receiver.times[-1] - receiver.times[1]
    # Thirteen slots; one after the other it would be 6.5 s.
    assert 2.4 < took < 5
    assert 2 < receiver.most_in_flight <= 4


def test_retries_count_as_well(webhook, publish):
    with receiving((500, {}, b"")) as receiver:
        hook = webhook(receiver.url, rate_limit=2)
        publish(3)
        run()
        assert len(receiver.requests) == 3
        assert most_in_a_second(receiver.times) <= 3
        assert Webhook.objects.filter(pk=hook.pk, next_slot_at__gt=Now()).exists()


def test_a_test_event_waits_for_no_slot(webhook, publish):
    with receiving() as receiver:
        hook = webhook(receiver.url, rate_limit=1)
        publish(3)
        tested = outbox.test(hook, "webhook.test")
        begun = monotonic()
        run()
        place = heard(receiver).index(tested.event.public_id)
        assert place <= 1
        assert receiver.times[place] - begun < 1
        assert receiver.times[-1] - receiver.times[0] > 1.5


def test_a_test_event_takes_no_slot(webhook, publish):
    hook = webhook(NOWHERE, rate_limit=1)
    publish(2)
    outbox.test(hook, "webhook.test")
    rooms = Rooms(room=9, unknown=0, failing=0, prompt={hook.pk})
    before = clock()
    assert claim(uuid4(), rooms).count == 2
    wait = (Webhook.objects.get().next_slot_at - before).total_seconds()
    assert 1 <= wait < 1.9


def test_in_order_and_at_a_pace(webhook, publish):
    with receiving() as receiver:
        webhook(receiver.url, rate_limit=10, ordered=True)
        told = publish(8)
        run()
        assert heard(receiver) == ids(told)
        assert receiver.times[-1] - receiver.times[0] > 0.5


def test_who_comes_too_late_gives_the_slot_back(webhook, publish):
    with receiving() as receiver:
        hook = webhook(receiver.url, rate_limit=5)
        publish(2)
        token = uuid4()
        rooms = Rooms(room=9, unknown=0, failing=0, prompt={hook.pk})
        slots = claim(token, rooms).slots
        jobs = load(token, monotonic() + 60, Targets())
        pace.place(jobs, slots, monotonic())
        assert [job.not_before for job in jobs] == [
            pytest.approx(slots[hook.pk].first + 0.2 * n) for n in range(2)
        ]
        sleep(0.7)
        with closing(Transport(policy())) as transport:
            results.record([send(job, transport) for job in jobs])
        assert receiver.requests == []
    assert states() == {"pending": 2}
    assert Attempt.objects.count() == 0


def test_a_claim_that_took_long_still_sends_its_first():
    jobs = [SimpleNamespace(webhook_pk=1, is_test=False) for _ in range(3)]
    jobs.append(SimpleNamespace(webhook_pk=2, is_test=False, not_after=inf))
    pace.place(jobs, {1: Slots(100.0, 0.2)}, 105.0)
    assert jobs[0].not_after == 105.2
    assert jobs[1].not_after < 105
    assert jobs[3].not_after == inf


@pytest.mark.parametrize(
    ("answer", "state"), [((410, {}, b""), "off"), ((429, {}, b""), "active")]
)
def test_who_wants_no_more_is_sent_no_more(webhook, publish, answer, state):
    well = (204, {}, b"")
    with receiving(well, well, answer, well) as receiver:
        hook = webhook(receiver.url, rate_limit=2)
        publish(6)
        run()
        assert len(receiver.requests) == 3
    hook.refresh_from_db()
    assert hook.state == state
    left = {"off": {"exhausted": 1, "held": 3}, "active": {"pending": 4}}
    assert states() == {"succeeded": 2, **left[state]}
    assert Attempt.objects.count() == 3


def test_what_waits_for_its_slot_is_handed_back_unsent(webhook, publish):
    senders = Senders()
    webhook(NOWHERE, rate_limit=1)
    publish()
    token = uuid4()
    claim(token, ROOMS)
    (job,) = load(token, monotonic() + 60, Targets())
    job.not_before = monotonic() + 60
    senders.start(job)
    assert senders.finished(0.01) == []
    assert senders.withdraw() == [job]
    assert senders.flying == {}
    senders.end()


def test_what_waited_for_its_slot_goes_on_with_the_next_drain(webhook, publish):
    with receiving() as receiver:
        webhook(receiver.url, rate_limit=1)
        publish(2)
        OrmQ.objects.all().delete()
        # The second is claimed half a second ahead, and is all that is left.
        drain(budget_seconds=0.8, lease="test")
        assert len(receiver.requests) == 1
        assert states() == {"succeeded": 1, "pending": 1}
        assert OrmQ.objects.count() == 1
        run()
        assert len(receiver.requests) == 2


def test_a_limit_that_is_reached_is_no_worker_that_is_missing(webhook, publish):
    webhook(NOWHERE, rate_limit=1)
    publish(5)
    assert oldest_due() is not None
    assert claim(uuid4(), ROOMS).count == 1
    Delivery.objects.filter(state="claimed").update(state="succeeded")
    Delivery.objects.filter(state="pending").update(next_at=in_seconds(-7200))
    assert oldest_due() is None
    # Whoever drains stays all the same.
    assert work()
    Webhook.objects.update(next_slot_at=in_seconds(-3600))
    # Since it could have been sent.
    since = clock() - oldest_due()
    assert timedelta(hours=1) <= since < timedelta(hours=1, minutes=1)
    assert work(within=-1800)
    Webhook.objects.update(next_slot_at=in_seconds(-60))
    assert not work(within=-1800)


# --- What it costs ---------------------------------------------------------------


def counted(statements):
    framing = ("BEGIN", "COMMIT")
    return len([q for q in statements if not q["sql"].startswith(framing)])


def test_a_round_costs_the_same_for_many_such_webhooks(webhook, publish):
    def asked(hooks):
        for number in range(hooks):
            webhook(f"{NOWHERE}{number}", ordered=number % 2 == 0, rate_limit=9)
        publish(3)
        with CaptureQueriesContext(connection) as statements:
            assert claim(uuid4(), Rooms(room=96, unknown=96, failing=8)).count
        Delivery.objects.all().delete()
        Webhook.objects.all().delete()
        return counted(statements)

    assert asked(2) == asked(30) <= 5


def test_without_a_pace_a_round_costs_what_it_did(webhook, publish):
    webhook(NOWHERE)
    publish(3)
    with CaptureQueriesContext(connection) as statements:
        claim(uuid4(), ROOMS)
    assert counted(statements) == 3


def test_no_statement_reads_all_that_waits(webhook):
    asked = {}

    def keep(execute, sql, parameters, many, context):
        if sql.strip().startswith(("SELECT", "UPDATE")):
            asked[sql] = parameters
        return execute(sql, parameters, many, context)

    with receiving() as receiver, receiving((500, {}, b"")) as failing:
        hooks = [
            webhook(receiver.url, ordered=True),
            webhook(f"{receiver.url}b", rate_limit=50),
            webhook(failing.url, ordered=True, rate_limit=50),
        ]
        first = 1_000_000
        for hook in hooks:
            many(hook, "succeeded", 5_000, first, "CURRENT_TIMESTAMP")
            many(hook, "pending", 5_000, first + 5_000, "CURRENT_TIMESTAMP")
            first += 10_000
        outbox.test(hooks[0], "webhook.test")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        waiting = Delivery.objects.filter(webhook=hooks[2], state="pending")
        last = waiting.latest("pk")
        with connection.execute_wrapper(keep):
            run(1)
            oldest_due()
            assert pace.before(last)
    assert len(receiver.requests) > 10
    for sql, plan in plans((s, p) for s, p in asked.items() if "LIMIT 21" not in s):
        for model in LARGE:
            table = model._meta.db_table
            for scan in (f"Seq Scan on {table}", f"SCAN {table}'", f"SCAN {table} "):
                assert scan not in plan.replace("USING", "'USING"), (sql, plan)
        if "last_claim_at NULLS FIRST" in sql or "next_slot_at END" in sql:
            # By its own index, and not by all that the webhook ever had.
            assert "delivery_head" in plan, plan
            assert "delivery_test" in plan, plan
        assert "delivery_of_webhook" not in plan, (sql, plan)


# --- How it is said --------------------------------------------------------------


def test_a_delivery_says_what_it_waits_for(webhook, publish):
    def said(delivery):
        return why_not_delivered(delivery, None, pace.before(delivery))

    hook = webhook(NOWHERE, ordered=True, rate_limit=3)
    publish(3)
    first, second, third = Delivery.objects.order_by("pk")
    assert "Is a worker running?" in said(first)
    for one in (second, third):
        assert f"the delivery before it ({first.public_id})" in said(one)
    Delivery.objects.filter(pk=first.pk).update(state="exhausted")
    assert "Is a worker running?" in said(second)
    assert claim(uuid4(), ROOMS).count == 1
    assert second.public_id in said(third)
    subscriptions.change(hook, {"ordered": False})
    third.refresh_from_db()
    third = Delivery.objects.get(pk=third.pk)
    assert said(third) == "It waits its turn: the webhook takes at most 3 a second."


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"rate_limit": 0}, "rate_limit"),
        ({"rate_limit": 1001}, "rate_limit"),
        ({"rate_limit": 2.5}, "rate_limit"),
        ({"rate_limit": True}, "rate_limit"),
        ({"rate_limit": "5"}, "rate_limit"),
        ({"ordered": None}, "ordered"),
        ({"ordered": 1}, "ordered"),
    ],
)
def test_what_is_no_pace_is_refused(webhook, values, field):
    hook = webhook(NOWHERE)
    with pytest.raises(InvalidWebhookError) as refused:
        subscriptions.change(hook, values)
    assert refused.value.field == field


def test_the_database_knows_no_limit_below_one(webhook):
    hook = webhook(NOWHERE, rate_limit=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Webhook.objects.filter(pk=hook.pk).update(rate_limit=0)
    subscriptions.change(hook, {"rate_limit": None})
    assert Webhook.objects.get().rate_limit is None
