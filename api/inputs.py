"""What may be sent: known fields only, and of the right type."""

from base64 import b64decode
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty

from threads.models import Thread


class Text(serializers.CharField):
    """A JSON string; numbers and booleans are not quietly turned into one."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """true or false, not "true" and not 1; absent is absent, in a form too."""

    default_empty_html = empty

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Whole(serializers.IntegerField):
    """A whole JSON number; text and fractions are not quietly turned into one."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class Strict(serializers.Serializer[Any]):
    """Refuses fields it does not know: a typing error must not go unnoticed."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else set()
        if unknown:
            allowed = ", ".join(self.fields)
            raise serializers.ValidationError(
                {
                    name: serializers.ErrorDetail(
                        f"There is no such field. Allowed: {allowed}.",
                        code="unknown_field",
                    )
                    for name in sorted(unknown)
                }
            )
        return super().to_internal_value(data)


class ThreadChange(Strict):
    status = serializers.ChoiceField(Thread.Status.values, required=False)
    assignee = Text(required=False, allow_null=True)
    tags = serializers.ListField(child=Text(max_length=50), required=False)
    priority = serializers.ChoiceField(Thread.Priority.values, required=False)
    subject = Text(required=False, max_length=998)
    snoozed_until = Text(required=False, allow_null=True)
    team = Text(required=False, allow_null=True)


class ThreadsChange(ThreadChange):
    ids = serializers.ListField(child=Text(), min_length=1, max_length=100)


class AttachmentInput(Strict):
    filename = Text(max_length=255)
    content_type = Text(required=False, max_length=255)
    content = Text(max_length=24_000_000, trim_whitespace=False, allow_blank=True)

    def validate_content(self, value: str) -> bytes:
        try:
            return b64decode(value, validate=True)
        except ValueError as error:
            raise serializers.ValidationError("This is no base64.") from error


class ReplyInput(Strict):
    body = Text(max_length=1_000_000, trim_whitespace=False)
    body_html = Text(required=False, max_length=1_000_000, trim_whitespace=False)
    to = serializers.ListField(child=Text(), required=False)
    cc = serializers.ListField(child=Text(), required=False)
    bcc = serializers.ListField(child=Text(), required=False)
    reply_all = Flag(required=False)
    close = Flag(required=False)
    assignee = Text(required=False, allow_null=True)
    dry_run = Flag(required=False)
    attachments = serializers.ListField(child=AttachmentInput(), required=False)


class ThreadInput(Strict):
    mailbox = Text(max_length=320)
    to = serializers.ListField(child=Text(), allow_empty=False)
    subject = Text(max_length=998)
    body = Text(max_length=1_000_000, trim_whitespace=False)
    body_html = Text(required=False, max_length=1_000_000, trim_whitespace=False)
    cc = serializers.ListField(child=Text(), required=False)
    bcc = serializers.ListField(child=Text(), required=False)
    close = Flag(required=False)
    assignee = Text(required=False, allow_null=True)
    attachments = serializers.ListField(child=AttachmentInput(), required=False)


class MergeInput(Strict):
    into = Text(max_length=32)


class NoteInput(Strict):
    body = Text(max_length=100_000, trim_whitespace=False)


class Nothing(Strict):
    """A POST whose path says it all."""


class BasicAuth(Strict):
    username = Text(max_length=200)
    password = Text(max_length=200)


class WebhookChange(Strict):
    url = Text(required=False)
    events = serializers.ListField(child=Text(), required=False)
    mailboxes = serializers.ListField(child=Text(), required=False)
    domains = serializers.ListField(child=Text(), required=False)
    headers = serializers.DictField(child=Text(allow_blank=True), required=False)
    basic_auth = BasicAuth(required=False, allow_null=True)
    timeout = Whole(required=False)
    rate_limit = Whole(required=False, allow_null=True)
    ordered = Flag(required=False)
    include_auto = Flag(required=False)
    include_spam = Flag(required=False)
    include_body = Flag(required=False)
    state = serializers.ChoiceField(["active", "paused", "off"], required=False)


class WebhookInput(WebhookChange):
    url = Text()
    events = serializers.ListField(child=Text(), allow_empty=False)


class TestInput(Strict):
    event = Text(required=False)


class ReplayInput(Strict):
    since = Text()
    until = Text(required=False)
    state = serializers.ChoiceField(["exhausted", "succeeded"], required=False)
