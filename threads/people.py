"""Team members: how the first one comes in."""

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from threads.models import User


def administrator(email: str) -> tuple[User, bool]:
    """Somebody who may do everything, without a password yet; and whether new."""
    plain = email.strip().lower()
    known = User.objects.filter(email=plain).first()
    if known is not None:
        return known, False
    return User.objects.create_superuser(username=plain[:150], email=plain), True


def password_link(user: User) -> str:
    """A link that sets a password: once, and for PASSWORD_RESET_TIMEOUT seconds."""
    path = reverse(
        "password_reset_confirm",
        kwargs={
            "uidb64": urlsafe_base64_encode(force_bytes(user.pk)),
            "token": default_token_generator.make_token(user),
        },
    )
    return f"{settings.PUBLIC_URL}{path}"
