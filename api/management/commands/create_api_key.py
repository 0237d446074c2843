"""A key for scripts, printed once."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from api.models import ApiKey
from api.models.key import SCOPES, check_name
from threads.models import Mailbox
from webhooks.management.base import OperatorCommand


class Command(OperatorCommand):
    help = "Create an API key; it is printed once, alone on stdout."
    example = (
        "example:\n  export MAILBELLY_API_KEY=$(manage.py create_api_key crm"
        " --scope threads:read --domain example.com)"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the key is for")
        parser.add_argument(
            "--scope", action="append", help=f"one of: {', '.join(SCOPES)}"
        )
        parser.add_argument("--domain", action="append", help="bind it to this domain")

    def handle(self, *, name: str, **options: Any) -> None:
        try:
            check_name(name)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=2) from error
        scopes, domains = options["scope"], options["domain"] or []
        _among("--scope", scopes or [], SCOPES)
        if domains:
            known = Mailbox.objects.values_list("domain", flat=True).distinct()
            _among("--domain", domains, sorted(known))
        _row, plain = ApiKey.objects.issue(name, scopes=scopes, domains=domains)
        self.stdout.write(plain)


def _among(option: str, values: list[str], allowed: Any) -> None:
    for value in values:
        if value not in allowed:
            raise CommandError(
                _("%(option)s: there is no %(value)s. Allowed: %(allowed)s")
                % {
                    "option": option,
                    "value": value,
                    "allowed": ", ".join(allowed) or _("(nothing)"),
                },
                returncode=2,
            )
