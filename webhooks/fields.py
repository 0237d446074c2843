"""The two column types of the house: public ids and encrypted values."""

import json
import secrets
import time
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models.query_utils import DeferredAttribute
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

    _CharField = models.CharField[str, str]
    _TextField = models.TextField[Any, Any]
else:
    _CharField = models.CharField
    _TextField = models.TextField

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TIME_DIGITS = 8
_RANDOM_DIGITS = 16
PUBLIC_ID_LENGTH = 1 + _TIME_DIGITS + _RANDOM_DIGITS

# Each byte as a digit. Four digits come eight times and the others seven: of the 82.7
# bits that sixteen could hold, 82.6 are left.
_DIGIT_OF_BYTE = bytes(ord(_DIGITS[byte % len(_DIGITS)]) for byte in range(256))


def public_id() -> str:
    """`c`, 8 base-36 digits of Unix milliseconds, 16 random: sorts by time.

    >>> len(public_id())
    25
    """
    chance = secrets.token_bytes(_RANDOM_DIGITS).translate(_DIGIT_OF_BYTE)
    return f"c{_base36(time.time_ns() // 1_000_000)}{chance.decode('ascii')}"


@lru_cache(maxsize=16)  # many rows are made in one millisecond
def _base36(milliseconds: int) -> str:
    """Eight digits: until the year 2059.

    >>> _base36(36)
    '00000010'
    """
    digits = ""
    for _place in range(_TIME_DIGITS):
        milliseconds, digit = divmod(milliseconds, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


class PublicIdField(_CharField):
    """The id that the outside sees; the primary key stays inside."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(
            max_length=PUBLIC_ID_LENGTH, unique=True, editable=False, default=public_id
        )
        super().__init__(*args, **kwargs)


class UnreadableSecretError(Exception):
    """A stored value that none of ENCRYPTION_KEYS opens."""


@cache
def _fernet(keys: tuple[str, ...]) -> "MultiFernet":
    # Megabytes, which only who opens or seals a secret needs.
    from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415

    if not keys:
        msg = (
            "ENCRYPTION_KEYS is not set; it protects stored secrets. Make one with:"
            ' python -c "from cryptography.fernet import Fernet;'
            ' print(Fernet.generate_key().decode())"'
        )
        raise ImproperlyConfigured(msg)
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        msg = f"ENCRYPTION_KEYS: {error}"
        raise ImproperlyConfigured(msg) from error


def encrypt(value: Any) -> str:
    plain = json.dumps(value, ensure_ascii=False).encode()
    return _fernet(tuple(settings.ENCRYPTION_KEYS)).encrypt(plain).decode()


def decrypt(token: str) -> Any:
    """Raises `UnreadableSecretError` rather than hand out ciphertext."""
    from cryptography.fernet import InvalidToken  # noqa: PLC0415 -- as above

    try:
        plain = _fernet(tuple(settings.ENCRYPTION_KEYS)).decrypt(token.encode())
    except InvalidToken:
        msg = _(
            "A stored secret can't be decrypted. Put the key it was written with back"
            " into ENCRYPTION_KEYS, after the first one."
        )
        raise UnreadableSecretError(msg) from None
    return json.loads(plain)


class Sealed(str):
    """What the column holds, not opened yet."""

    __slots__ = ()


class _OpenedWhenRead(DeferredAttribute):
    """Opens a value when somebody wants it, so that rows load without their keys."""

    def __get__(self, instance: models.Model | None, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if instance is not None:
            value = instance.__dict__.get(self.field.attname, value)
        if isinstance(value, Sealed):
            value = instance.__dict__[self.field.attname] = decrypt(value)
        return value

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


class EncryptedField(_TextField):
    """Any JSON value, encrypted with the first of ENCRYPTION_KEYS.

    It can't be searched. Reading it raises `UnreadableSecretError` when no key opens
    it: a mail server must never be sent ciphertext as a password.
    """

    descriptor_class = _OpenedWhenRead

    def from_db_value(self, value: str | None, *_: object) -> Any:
        return None if value is None else Sealed(value)

    def get_prep_value(self, value: Any) -> str | None:
        if value is None or isinstance(value, Sealed):
            return value
        return encrypt(value)

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.get_prep_value(self.value_from_object(obj)))
