"""ENCRYPTION_KEYS change while everything runs."""

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from threads.models import Mailbox, Source
from webhooks.encryption import secrets
from webhooks.models import Secret, Webhook

pytestmark = pytest.mark.django_db


@pytest.fixture
def stored():
    """One of every kind of column; an empty one is no secret."""
    mailbox = Mailbox.objects.create(address="a@shop.nl", smtp={"password": "geheim"})
    Source.objects.create(
        mailbox=mailbox, kind="imap", location="imaps://a@b/INBOX", settings={"x": "1"}
    )
    webhook = Webhook.objects.create(url="https://hooks.nl/x", events=["thread.closed"])
    Secret.objects.create(webhook=webhook)
    return mailbox


def fresh():
    return Fernet.generate_key().decode()


def test_all_are_under_the_new_key_and_the_old_one_may_go(stored, settings, capsys):
    old, new = settings.ENCRYPTION_KEYS, fresh()
    settings.ENCRYPTION_KEYS = [new, *old]
    assert not any(secret.newest for secret in secrets())
    call_command("rotate_encryption_keys")
    assert all(secret.newest for secret in secrets())
    said = capsys.readouterr()
    assert said.out.startswith(f"{len(list(secrets()))} secrets are now")
    assert "may go" in said.err
    settings.ENCRYPTION_KEYS = [new]
    stored.refresh_from_db()
    assert stored.smtp == {"password": "geheim"}
    assert Source.objects.get().settings == {"x": "1"}
    assert Secret.objects.get().value.startswith("whsec_")


def test_a_second_run_changes_nothing(stored, settings, capsys):
    settings.ENCRYPTION_KEYS = [fresh(), *settings.ENCRYPTION_KEYS]
    call_command("rotate_encryption_keys")
    before = {str(secret): secret.sealed for secret in secrets()}
    call_command("rotate_encryption_keys")
    assert {str(secret): secret.sealed for secret in secrets()} == before
    assert capsys.readouterr().out.endswith("0 secrets are now under the first key.\n")


def test_what_somebody_saves_meanwhile_is_not_lost(stored, settings):
    settings.ENCRYPTION_KEYS = [fresh(), *settings.ENCRYPTION_KEYS]
    seen = [secret for secret in secrets() if secret.field == "smtp"]
    Mailbox.objects.filter(pk=stored.pk).update(smtp={"password": "nieuw"})
    assert [secret.rotate() for secret in seen] == [False]
    stored.refresh_from_db()
    assert stored.smtp == {"password": "nieuw"}


def test_what_no_key_opens_stays_as_it_is_and_is_named(stored, settings):
    before = {str(secret): secret.sealed for secret in secrets()}
    settings.ENCRYPTION_KEYS = [fresh()]
    with pytest.raises(CommandError, match=f"Mailbox {stored.pk}, smtp") as refusal:
        call_command("rotate_encryption_keys")
    assert "geheim" not in str(refusal.value)
    assert {str(secret): secret.sealed for secret in secrets()} == before
