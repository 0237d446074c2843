"""Every stored secret of the installation: which key opens it, and a change of keys."""

from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db import models

from webhooks.fields import (
    EncryptedField,
    Sealed,
    UnreadableSecretError,
    decrypt,
    encrypt,
)

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Secret:
    """One value as its column holds it; the plain text is never kept."""

    model: type[models.Model]
    pk: int
    field: str
    sealed: Sealed

    def __str__(self) -> str:
        return f"{self.model.__name__} {self.pk}, {self.field}"

    @property
    def readable(self) -> bool:
        try:
            decrypt(self.sealed)
        except UnreadableSecretError:
            return False
        return True

    @property
    def newest(self) -> bool:
        """Whether the first of ENCRYPTION_KEYS wrote it."""
        try:
            Fernet(settings.ENCRYPTION_KEYS[0]).decrypt(self.sealed.encode())
        except InvalidToken:
            return False
        return True

    def rotate(self) -> bool:
        """Write it under the first key; False when somebody was faster.

        Raises `UnreadableSecretError`.
        """
        fresh = Sealed(encrypt(decrypt(self.sealed)))
        same = _rows(self.model).filter(pk=self.pk, **{self.field: self.sealed})
        return bool(same.update(**{self.field: fresh}))


def secrets() -> Iterator[Secret]:
    """All of them, some rows in memory at a time."""
    for model in apps.get_models():
        names = [field.attname for field in _fields(model)]
        if not names:
            continue
        rows = _rows(model).order_by("pk").values_list("pk", *names)
        for pk, *values in rows.iterator(chunk_size=_BATCH):
            for name, sealed in zip(names, values, strict=True):
                if isinstance(sealed, Sealed):
                    yield Secret(model, pk, name, sealed)


def _fields(model: type[models.Model]) -> list[EncryptedField]:
    fields = model._meta.concrete_fields  # noqa: SLF001 -- Django's documented API
    return [field for field in fields if isinstance(field, EncryptedField)]


def _rows(model: type[models.Model]) -> models.QuerySet[models.Model]:
    return model._base_manager.all()  # noqa: SLF001 -- also what managers leave out
