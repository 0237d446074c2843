"""What a child has understood arrives as it was."""

from dataclasses import fields

from threads.mail import wire
from threads.mail.parsed import ParsedMail


def test_every_field_of_a_mail_has_its_reader():
    assert {field.name for field in fields(ParsedMail)} == set(wire._READERS)
