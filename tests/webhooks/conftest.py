import pytest
from django.db import transaction

from webhooks import outbox, subscriptions
from webhooks.outbox import NewEvent


@pytest.fixture(autouse=True)
def loopback(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def webhook(db):
    """Makes a webhook to a URL: `webhook(url, events=[…])`."""

    def make(url, **values):
        values.setdefault("events", ["message.received"])
        return subscriptions.create({"url": url, **values})[0]

    return make


@pytest.fixture
def publish(transactional_db):
    """Publishes `count` events in a transaction of their own."""
    numbers = iter(range(1_000_000))

    def tell(count=1, **values):
        values.setdefault("type", "message.received")
        with transaction.atomic():
            return outbox.publish(
                [
                    NewEvent(
                        cause=f"test:{next(numbers)}",
                        mailbox="support@shop.nl",
                        domain="shop.nl",
                        sender="klant@x.nl",
                        recipient="support@shop.nl",
                        subject="Vraag",
                        body_text=values.pop("body_text", "Hallo, é 🎉"),
                        **values,
                    )
                    for _ in range(count)
                ]
            )

    return tell
