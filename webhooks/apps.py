"""The post office: events, URLs, secrets and retries. Knows nothing of mail."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WebhooksConfig(AppConfig):
    name = "webhooks"
    verbose_name = _("Delivery")

    def ready(self) -> None:
        import_module("webhooks.checks")
        import_module("webhooks.lookups")
