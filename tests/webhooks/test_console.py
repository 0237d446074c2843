"""What staff and keys can ask of deliveries, and do with them."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework.test import APIClient

from api.models import ApiKey
from tests.receivers import receiving
from threads.models import User
from webhooks import delivery, outbox, record, subscriptions
from webhooks.catalogue import TEST
from webhooks.claims import recover
from webhooks.health import GONE
from webhooks.leases import in_seconds
from webhooks.models import Delivery, Event, Replay, Retention, Webhook
from webhooks.models.retention import days_kept
from webhooks.retention import prune

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(client, settings):
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": plain}}
    boss = User.objects.create_superuser("an", "an@shop.nl", "x", language="en")
    client.force_login(boss)
    return client


@pytest.fixture
def api(db):
    _, plain = ApiKey.objects.issue("test")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {plain}")
    return client


def test_deliveries_by_event_thread_and_time_and_all_once_more(api, webhook, publish):
    hook = webhook("https://example.com/", events=["thread.closed", "thread.created"])
    path = f"/api/v1/webhooks/{hook.public_id}"
    publish(1, type="thread.created", thread="c1", sequence=1)
    publish(2, type="thread.closed")
    Delivery.objects.update(state="exhausted", finished_at=Now())
    old = Delivery.objects.latest("pk")
    Delivery.objects.filter(pk=old.pk).update(created_at=in_seconds(-7200))

    def count(query):
        answer = api.get(f"{path}/deliveries?{query}")
        assert answer.status_code == 200, answer.json()
        return len(answer.json()["results"])

    hour_ago = (timezone.now() - timedelta(hours=1)).isoformat().replace("+", "%2B")
    assert count("event=thread.closed") == 2
    assert count("event=thread.closed,thread.created") == 3
    assert count("thread=c1") == 1
    assert count(f"created_since={hour_ago}") == 2
    assert count(f"created_until={hour_ago}") == 1
    assert api.get(f"{path}/deliveries?event=no.such").status_code == 400

    since = {"since": (timezone.now() - timedelta(hours=1)).isoformat()}
    made = api.post(f"{path}/replay", since, format="json")
    assert made.status_code == 202
    assert (made.json()["total"], made.json()["state"]) == (2, "exhausted")
    bare = api.post(f"{path}/replay", {"since": "2026-01-31T09:00:00"}, format="json")
    assert bare.json()["code"] == "timezone_required"
    assert api.post(f"{path}/replay", {}, format="json").status_code == 400


def test_the_page_of_a_webhook_shows_how_it_fares_and_sends_again(
    site, webhook, publish
):
    with receiving((204, {}, b""), (500, {}, b"")) as receiver:
        hook = webhook(receiver.url)
        page = f"/admin/webhooks/webhook/{hook.pk}/"
        publish(1)
        delivery.drain(budget_seconds=10)
        delivery.deliver_now(outbox.test(hook, TEST))
    day, month = record.of(hook)
    assert (day.attempts, day.succeeded, day.share) == (2, 1, 50)
    assert (month.attempts, day.columns[-1].failed) == (2, 1)
    Delivery.objects.filter(state="pending").update(state="exhausted")
    shown = site.get(f"{page}change/").content.decode()
    assert "50% of 2 attempts succeeded" in shown
    wrong = site.post(f"{page}replay-failed/", {"since": "x"}, follow=True)
    assert "Choose the day to begin with." in wrong.content.decode()
    today = timezone.localdate().isoformat()
    done = site.post(f"{page}replay-failed/", {"since": today}, follow=True)
    assert "1 delivery goes out again, little by little." in done.content.decode()
    assert Replay.objects.get().total == 1


def test_erased_texts_are_gone_from_the_page_the_log_and_what_is_sent(
    site, api, webhook, publish
):
    webhook("https://example.com/")
    first, second, other = (
        publish(1, thread="c1", sequence=1, data={"message": {"id": "m1"}})
        + publish(1, thread="c1", sequence=2, data={"message": {"id": "m1"}})
        + publish(1)
    )
    done = site.post(f"/admin/webhooks/event/{first.pk}/erase/", follow=True)
    assert "The texts of 2 events were erased." in done.content.decode()
    assert "klant@x.nl" not in done.content.decode()
    assert list(Delivery.objects.values_list("event", flat=True)) == [other.pk]
    told = api.get("/api/v1/events").json()["results"]
    assert [one["id"] for one in told] == [other.public_id]
    after = api.get(f"/api/v1/events?after={second.public_id}")
    assert [one["id"] for one in after.json()["results"]] == [other.public_id]
    Event.objects.filter(pk=second.pk).update(created_at=in_seconds(-31 * 86_400))
    late = api.get(f"/api/v1/events?after={second.public_id}")
    assert late.status_code == 410
    assert json.loads(late.content)["code"] == "cursor_expired"


def test_a_delivery_says_why_it_was_never_delivered(site, webhook, publish):
    """Deleted, narrowed, and given up after five deaths of the worker."""
    deleted, narrowed, lost = (
        webhook(f"https://example.com/{name}") for name in ("a", "b", "c")
    )
    publish()
    subscriptions.delete(deleted)
    subscriptions.change(narrowed, {"mailboxes": ["info@shop.nl"]})
    for _ in range(5):
        Delivery.objects.filter(webhook=lost).update(
            state="claimed", token=uuid4(), claimed_until=in_seconds(-1)
        )
        assert recover() == 1
    for hook, words in (
        (deleted, "The webhook was deleted before it could be delivered."),
        (narrowed, "no longer hears this event: its mailboxes or domains"),
        (lost, "The worker was killed 5 times while it sent this;"),
    ):
        pk = Delivery.objects.get(webhook=hook).pk
        page = site.get(f"/admin/webhooks/delivery/{pk}/change/").content.decode()
        assert words in page
        assert "attempts failed" not in page


def test_what_a_narrowed_webhook_may_not_hear_is_not_sent_again_by_hand(
    site, api, webhook, publish
):
    hook = webhook("https://example.com/")
    publish()
    Delivery.objects.update(state="exhausted", finished_at=Now())
    subscriptions.change(hook, {"domains": ["ander.nl"]})
    one = Delivery.objects.get()
    again = f"/admin/webhooks/delivery/{one.pk}/send-again/"
    marked = {"action": "send_failed_again", "_selected_action": [one.pk]}
    for path, data in ((again, {}), ("/admin/webhooks/delivery/", marked)):
        page = site.post(path, data, follow=True).content.decode()
        assert "The webhook no longer hears this event" in page
    answer = api.post(f"/api/v1/deliveries/{one.public_id}/replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "webhook_narrowed")
    assert Delivery.objects.count() == 1


def test_staff_try_a_waiting_delivery_at_once_or_give_it_up(site, webhook, publish):
    with receiving((500, {}, b"")) as receiver:
        webhook(receiver.url, ordered=True)
        publish(2)
        first, second = Delivery.objects.order_by("pk")
        page = f"/admin/webhooks/delivery/{first.pk}/"

        def press(button):
            return site.post(f"{page}{button}/", follow=True).content.decode()

        def tried():
            delivery.drain(budget_seconds=20)
            return first.attempt_set.count(), second.attempt_set.count()

        # The next attempt is five seconds away.
        assert [tried(), tried()] == [(1, 0), (1, 0)]
        assert "It is due now." in press("try-now")
        assert tried() == (2, 0)
        assert "It is not tried any more." in press("give-up")
        assert "All 2 attempts failed" in site.get(f"{page}change/").content.decode()
        # The next one's turn.
        shown = f"/admin/webhooks/delivery/{second.pk}/change/"
        assert "/try-now/" in site.get(shown).content.decode()
        assert tried() == (2, 1)
        kept = LogEntry.objects.count()
        for button in ("try-now", "give-up"):
            assert "It does not wait any more." in press(button)
        assert LogEntry.objects.count() == kept
    # Behind another, or while its receiver rests, it would be due and wait.
    publish()
    third = Delivery.objects.latest("pk")
    page = f"/admin/webhooks/delivery/{third.pk}/change/"
    behind = site.get(page).content.decode()
    Delivery.objects.filter(pk=second.pk).give_up()
    Webhook.objects.update(breaker_until=in_seconds(60))
    resting = site.get(page).content.decode()
    assert "/give-up/" in behind
    assert "/give-up/" in resting
    assert "/try-now/" not in behind + resting
    assert Delivery.objects.filter(pk=third.pk).give_up() == 1
    assert "given up by hand before its first" in site.get(page).content.decode()


def test_what_is_due_already_keeps_its_place_when_it_is_hurried(webhook, publish):
    webhook("https://example.com/")
    publish(2)
    Delivery.objects.update(next_at=in_seconds(-60))
    overdue, later = Delivery.objects.order_by("pk")
    Delivery.objects.filter(pk=later.pk).update(next_at=in_seconds(60))
    due = Delivery.objects.values_list("next_at", flat=True)
    before = due.get(pk=overdue.pk)
    assert Delivery.objects.all().hurry() == 2
    assert due.get(pk=overdue.pk) == before
    assert due.filter(next_at__lte=in_seconds(0)).count() == 2


def test_every_page_says_which_webhooks_have_been_failing_for_an_hour(site, webhook):
    page = "/admin/threads/thread/"
    hook = webhook("https://hooks.nl/in?token=geheim")

    def said(path=page):
        return site.get(path).content.decode()

    Webhook.objects.update(failing_since=in_seconds(-600))
    assert "webhook-banner" not in said()
    Webhook.objects.update(failing_since=in_seconds(-3 * 3600))
    assert "Webhook hooks.nl has been failing for 3\xa0hours" in said()
    assert f'href="/admin/webhooks/webhook/{hook.pk}/change/"' in said()
    assert "geheim" not in said()
    # There it stands among what needs a person; and nobody has logged in yet here.
    assert "webhook-banner" not in said("/admin/")
    other = webhook("https://other.nl/")
    Webhook.objects.filter(pk=other.pk).update(state="off", state_reason=GONE)
    assert "2 webhooks fail or were switched off." in said()
    Webhook.objects.filter(pk=hook.pk).update(failing_since=None)
    assert "Webhook other.nl has been switched off" in said()
    # By hand, whoever did it knows.
    Webhook.objects.filter(pk=other.pk).update(state_reason="")
    assert "webhook-banner" not in said()
    Webhook.objects.update(failing_since=in_seconds(-9999))
    User.objects.update(is_superuser=False)
    assert "webhook-banner" not in said("/admin/account/")
    site.logout()
    assert "webhook-banner" not in said("/admin/login/")


def test_the_numbers_of_metrics_are_one_request_beside_the_dashboard(
    site, webhook, publish
):
    publish(1)
    said = site.get("/admin/system/delivery/").content.decode()
    assert said.startswith("<dl")
    assert "last drain" in said
    User.objects.update(is_superuser=False)
    assert site.get("/admin/system/delivery/").status_code == 403


def test_the_retention_is_set_on_the_site_and_counts_at_once(site, publish, settings):
    publish(1)
    Event.objects.update(created_at=in_seconds(-10 * 86_400))
    Delivery.objects.update(
        state="succeeded", created_at=in_seconds(-10 * 86_400), finished_at=Now()
    )
    assert prune(1) == 0
    page = site.get("/admin/webhooks/retention/", follow=True)
    assert page.redirect_chain[-1][0] == "/admin/webhooks/retention/add/"
    assert 'value="30"' in page.content.decode()
    short = site.post("/admin/webhooks/retention/add/", {"days": 6})
    assert "greater than or equal to 7" in short.content.decode()
    site.post("/admin/webhooks/retention/add/", {"days": 8})
    assert prune(1) == 1
    page = site.get("/admin/webhooks/retention/", follow=True)
    assert page.redirect_chain[-1][0].endswith("/change/")
    site.post(page.redirect_chain[-1][0], {"days": 99})
    assert days_kept() == 99
    # A second row would be one too many.
    again = site.post("/admin/webhooks/retention/add/", {"days": 50})
    assert again.url == page.redirect_chain[-1][0]
    assert days_kept() == 99
    Retention.objects.all().delete()
    assert days_kept() == settings.RETENTION_DAYS
