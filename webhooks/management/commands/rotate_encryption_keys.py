"""All stored secrets under the first of ENCRYPTION_KEYS."""

from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from webhooks.encryption import secrets
from webhooks.management.base import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Write every stored secret under the first of ENCRYPTION_KEYS, one by one,"
        " while everything runs. When it says that all are, the others may go."
    )
    example = "example:\n  manage.py rotate_encryption_keys"

    def handle(self, **_options: Any) -> None:
        changed, unreadable = 0, []
        for secret in secrets():
            if not secret.readable:
                unreadable.append(str(secret))
            elif not secret.newest:
                changed += secret.rotate()
        said = ngettext(
            "%d secret is now under the first key.",
            "%d secrets are now under the first key.",
            changed,
        )
        self.stdout.write(said % changed)
        if unreadable:
            raise CommandError(
                _(
                    "No key opens these; put the key they were written with back into"
                    " ENCRYPTION_KEYS, after the first one: %s"
                )
                % "; ".join(unreadable)
            )
        self.stderr.write(_("All stored secrets open with it; the older keys may go."))
