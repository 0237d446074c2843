"""The first team member, and the groups that the others join."""

from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext as _

from threads import people
from threads.access import groups
from webhooks.management.base import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Give the groups what they lack; with --admin, make a first administrator and"
        " print a one-time link to set the password."
    )
    example = "example:\n  manage.py setup --admin you@example.com"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--admin", metavar="EMAIL", default="")

    def handle(self, *, admin: str, **_options: Any) -> None:
        with transaction.atomic():
            groups.refresh(apps)
        self.stderr.write(_("The groups have their rights."))
        if admin:
            self._administrator(admin)

    def _administrator(self, admin: str) -> None:
        try:
            validate_email(admin)
        except ValidationError as error:
            raise CommandError(
                _("%s is not an e-mail address. Write it as you@example.com.") % admin,
                returncode=2,
            ) from error
        user, created = people.administrator(admin)
        if not created and not user.is_superuser:
            raise CommandError(
                _("%s is a team member already, and no administrator.") % user.email,
                returncode=2,
            )
        # Said on stderr, so that the link is alone on stdout.
        self.stderr.write(
            _("Open this link to set the password of %s. It works once.") % user.email
        )
        self.stdout.write(people.password_link(user))
