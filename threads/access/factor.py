"""The second factor: begun, confirmed with a code, asked for at login, taken away."""

import base64
import hashlib
import secrets
from datetime import timedelta
from enum import Enum
from urllib.parse import quote, urlencode

import segno
from django.db import transaction
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django_otp.oath import TOTP

from threads.models import SecondFactor, User

_RECOVERY_CODES = 10
_ISSUER = "MailBelly"
_LONGEST_PAUSE = timedelta(minutes=15)


class Verdict(Enum):
    RIGHT = "right"
    WRONG = "wrong"
    # Too many wrong ones just now; this one was not looked at.
    TOO_SOON = "too soon"


def enrolled(user: User) -> bool:
    return SecondFactor.objects.filter(user=user, confirmed=True).exists()


def begin(user: User) -> SecondFactor:
    """A new key to be confirmed; what was begun before and not confirmed goes."""
    with transaction.atomic():
        SecondFactor.objects.filter(user=user, confirmed=False).delete()
        row, _created = SecondFactor.objects.get_or_create(user=user)
    return row


def confirm(user: User, code: str) -> tuple[Verdict, list[str]]:
    """With the right code: the recovery codes, shown this once."""
    with transaction.atomic():
        row = _locked(user, confirmed=False)
        verdict = Verdict.WRONG if row is None else _judge(row, code)
        if row is None or verdict is not Verdict.RIGHT:
            return verdict, []
        codes = [_recovery_code() for _ in range(_RECOVERY_CODES)]
        row.confirmed = True
        row.recovery = [_digest(one) for one in codes]
        row.save()
        return verdict, codes


def verify(user: User, code: str) -> Verdict:
    """A code of the app, or a recovery code, which is used up by it."""
    with transaction.atomic():
        row = _locked(user, confirmed=True)
        return Verdict.WRONG if row is None else _judge(row, code)


def remove(user: User) -> None:
    SecondFactor.objects.filter(user=user).delete()


def address(row: SecondFactor) -> str:
    """What the QR code says: the Key URI that authenticator apps understand."""
    label = quote(f"{_ISSUER}:{row.user.email}")
    return f"otpauth://totp/{label}?{urlencode({'secret': row.key, 'issuer': _ISSUER})}"


def picture(row: SecondFactor) -> SafeString:
    """The QR code as inline SVG: no request, no script."""
    code = segno.make(address(row), error="m")
    svg = code.svg_inline(scale=5, border=2, light="#fff", dark="#000")
    return mark_safe(svg)  # noqa: S308 -- drawn from numbers, not from text


def _locked(user: User, *, confirmed: bool) -> SecondFactor | None:
    rows = SecondFactor.objects.select_for_update()
    return rows.filter(user=user, confirmed=confirmed).first()


def _judge(row: SecondFactor, code: str) -> Verdict:
    """Saves what it learns: the step that is used up, or one more failure."""
    now = timezone.now()
    if row.failed_at and now < row.failed_at + pause(row.failures):
        return Verdict.TOO_SOON
    plain = "".join(code.split()).replace("-", "").lower()
    right = _is_current(row, plain) or _is_recovery(row, plain)
    row.failures = 0 if right else row.failures + 1
    row.failed_at = None if right else now
    row.save()
    return Verdict.RIGHT if right else Verdict.WRONG


def pause(failures: int) -> timedelta:
    """How long after so many wrong codes in a row no other one is looked at.

    >>> [pause(failures).seconds for failures in (1, 2, 3, 4, 12, 99)]
    [1, 2, 4, 8, 900, 900]
    """
    return min(timedelta(seconds=2 ** min(failures - 1, 10)), _LONGEST_PAUSE)


def _is_current(row: SecondFactor, code: str) -> bool:
    if not (code.isascii() and code.isdigit()):
        return False
    clock = TOTP(base64.b32decode(row.key))
    if not clock.verify(int(code), tolerance=1, min_t=row.last_step + 1):
        return False
    row.last_step = clock.t()
    return True


def _is_recovery(row: SecondFactor, code: str) -> bool:
    if _digest(code) not in row.recovery:
        return False
    row.recovery = [one for one in row.recovery if one != _digest(code)]
    return True


def _recovery_code() -> str:
    """80 random bits in four groups: so many that a plain digest keeps them safe."""
    letters = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(letters[at : at + 4] for at in range(0, 16, 4))


def _digest(code: str) -> str:
    return hashlib.sha256(code.replace("-", "").encode()).hexdigest()
