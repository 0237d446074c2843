"""A key: shown once, kept as a digest."""

import hashlib
import secrets
import unicodedata
from functools import cache
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from webhooks.fields import PublicIdField

SCOPES = (
    "threads:read",
    "threads:write",
    "messages:send",
    "messages:send_any",
    "events:read",
    "webhooks:manage",
)
LONGEST_NAME = 100
# Control characters, halves of characters, line and paragraph separators.
_BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})
DEFAULT_SCOPES = tuple(scope for scope in SCOPES if scope != "messages:send_any")


def check_name(name: str) -> None:
    """It stands in lists and logs. Raises `ValidationError`."""
    odd = any(unicodedata.category(char) in _BREAKING for char in name)
    if odd or not name.strip() or len(name) > LONGEST_NAME:
        raise ValidationError(
            _("The name of a key is one line of 1 to %(most)d characters."),
            params={"most": LONGEST_NAME},
        )


def digest(key: str) -> str:
    """Keys carry 256 random bits, so one round of sha256 is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


def default_scopes() -> list[str]:
    return list(DEFAULT_SCOPES)


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> "ApiKeyQuerySet":
        return self.filter(
            Q(expires_at=None) | Q(expires_at__gt=Now()), revoked_at=None
        )


class ApiKeyManager(models.Manager["ApiKey"]):
    def get_queryset(self) -> ApiKeyQuerySet:
        return ApiKeyQuerySet(self.model, using=self._db)

    def usable(self) -> ApiKeyQuerySet:
        return self.get_queryset().usable()

    def asking(self, plain: str) -> "ApiKey | None":
        """The usable key with this text. Every request asks: its SQL is made once."""
        return next(iter(self.raw(_asking(), [digest(plain)])), None)

    def issue(
        self,
        name: str,
        *,
        scopes: list[str] | None = None,
        domains: list[str] | None = None,
    ) -> tuple["ApiKey", str]:
        """A new key: the row, and the text that is shown this once."""
        row = self.model(
            name=name,
            scopes=default_scopes() if scopes is None else scopes,
            domains=domains or [],
        )
        plain = row.make()
        row.save()
        return row, plain


class ApiKey(models.Model):
    public_id = PublicIdField()
    name = models.CharField(_("name"), max_length=LONGEST_NAME)
    prefix = models.CharField(_("begins with"), max_length=10, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(_("scopes"), default=default_scopes)
    # Empty: all domains.
    domains = models.JSONField(_("domains"), default=list, blank=True)
    rate_limit = models.PositiveIntegerField(_("requests a minute"), default=600)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)
    # Written at most once a minute.
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    objects = ApiKeyManager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def clean(self) -> None:
        """What a form saves, by the rule of the command."""
        try:
            # An empty one is the field's to refuse, or was refused by it.
            if self.name:
                check_name(self.name)
        except ValidationError as error:
            raise ValidationError({"name": error}) from error

    def make(self) -> str:
        """Give this row a new secret; saving it is the caller's."""
        plain = f"mb_{secrets.token_urlsafe(32)}"
        self.prefix = plain[:10]
        self.digest = digest(plain)
        return plain


@cache
def _asking() -> str:
    known = ApiKey.objects.usable().filter(digest="").query
    sql, (_digest,) = known.sql_with_params()
    return sql
