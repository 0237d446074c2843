"""The staff site: read with the address book, for whoever opens a page.

A command needs none of it: 26 MB and some time that only the web server spends.
"""

from typing import Any

from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app
from django.core import checks


class StaffSiteConfig(SimpleAdminConfig):
    def ready(self) -> None:
        checks.register(check_pages, checks.Tags.admin)


def check_pages(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Django's own check, of all pages, whoever asks first."""
    admin.autodiscover()
    found: list[checks.CheckMessage] = check_admin_app(app_configs, **kwargs)
    return found
