"""The form of a webhook: what it tells, to whom, and what stays hidden."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    CHECKBOX_CLASSES,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from webhooks import rules
from webhooks.admin.places import KNOWN
from webhooks.admin.words import FIRST_EVENTS, of_event
from webhooks.catalogue import EVENTS
from webhooks.fields import UnreadableSecretError
from webhooks.models import Webhook
from webhooks.rules import Checked

if TYPE_CHECKING:
    _Form = forms.ModelForm[Webhook]
else:
    _Form = forms.ModelForm


# What the rules know by the same name.
_PLAIN = (
    "url",
    "events",
    "mailboxes",
    "domains",
    "timeout",
    "max_in_flight",
    "rate_limit",
    "ordered",
    "include_auto",
    "include_spam",
    "include_body",
)


class Choices(forms.CheckboxSelectMultiple):
    """Checkboxes, also with the code behind each word; all but the first folded."""

    template_name = "webhooks/choices.html"

    def __init__(
        self, *, codes: bool = False, first: Iterable[str] = (), more: Any = ""
    ) -> None:
        super().__init__(attrs={"class": " ".join(CHECKBOX_CLASSES)})
        self.codes = codes
        self.first = frozenset(first)
        self.more = more

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        options = [
            option
            for _group, group, _index in context["widget"]["optgroups"]
            for option in group
        ]
        first = self.first or {str(option["value"]) for option in options}
        folded = [o for o in options if str(o["value"]) not in first]
        context["widget"] |= {
            "first": [o for o in options if str(o["value"]) in first],
            "folded": folded,
            "more": self.more,
            "codes": self.codes,
            "open": any(option["selected"] for option in folded),
        }
        return context


def _event_choices() -> list[tuple[str, str]]:
    rest = [name for name in EVENTS if name not in FIRST_EVENTS]
    return [(name, of_event(name)) for name in (*FIRST_EVENTS, *rest)]


class WebhookForm(_Form):
    events = forms.MultipleChoiceField(
        label=_("Events"),
        choices=_event_choices,
        required=False,
        widget=Choices(codes=True, first=FIRST_EVENTS, more=_("More events")),
    )
    mailboxes = forms.MultipleChoiceField(
        label=_("Only these mailboxes"),
        required=False,
        widget=Choices(),
        help_text=_("None ticked: all mailboxes."),
    )
    domains = forms.MultipleChoiceField(
        label=_("Only these domains"),
        required=False,
        widget=Choices(),
        help_text=_("None ticked: all domains."),
    )
    new_headers = forms.CharField(
        label=_("Extra headers"),
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 3, "autocomplete": "off"}),
        help_text=_("One a line, as: X-Api-Key: value. Values are never shown again."),
    )
    drop_headers = forms.MultipleChoiceField(
        label=_("Remove headers"), required=False, widget=Choices()
    )
    username = forms.CharField(
        label=_("User name (basic auth)"),
        required=False,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
        help_text=_("Empty this to do without basic auth."),
    )
    password = forms.CharField(
        label=_("Password (basic auth)"),
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget({"autocomplete": "new-password"}),
        help_text=_("Never shown. Leave it empty to keep the old one."),
    )

    class Meta:
        model = Webhook
        fields = _PLAIN
        widgets = {  # noqa: RUF012 -- Django's own shape
            "ordered": UnfoldBooleanSwitchWidget,
            "include_auto": UnfoldBooleanSwitchWidget,
            "include_spam": UnfoldBooleanSwitchWidget,
            "include_body": UnfoldBooleanSwitchWidget,
        }

    checked: Checked

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stored()
        for name, known in (
            ("mailboxes", KNOWN.mailboxes()),
            ("domains", KNOWN.domains()),
        ):
            # A mailbox that is gone stays ticked until somebody unticks it.
            words = dict.fromkeys([*known, *(getattr(self.instance, name) or [])])
            self._choices(name, words)
        if self.headers:
            self._choices("drop_headers", self.headers)
        else:
            self.fields["drop_headers"].widget = forms.MultipleHiddenInput()
        self.fields["username"].initial = self.auth.get("username", "")
        self.fields["url"].widget = UnfoldAdminTextInputWidget(
            {"placeholder": "https://example.com/webhook", "inputmode": "url"}
        )

    def _stored(self) -> None:
        try:
            self.headers: dict[str, str] = dict(self.instance.headers or {})
            self.auth: dict[str, str] = dict(self.instance.basic_auth or {})
        except UnreadableSecretError:
            # The page must open, or nobody could give it new ones.
            self.headers, self.auth = {}, {}

    def _choices(self, name: str, words: Iterable[str]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.MultipleChoiceField):
            field.choices = [(word, word) for word in words]

    def clean(self) -> dict[str, Any]:
        """By the rules of the API; each refusal at its field, with the mend."""
        cleaned = super().clean() or {}
        values: dict[str, Any] = {}
        warnings: list[str] = []
        for name in _PLAIN:
            if name in cleaned:
                self._check({name: cleaned[name]}, values, warnings)
        self._check(self._hidden(cleaned), values, warnings)
        self.checked = Checked(values, warnings)
        return cleaned

    def _check(
        self, group: dict[str, Any], values: dict[str, Any], warnings: list[str]
    ) -> None:
        try:
            checked = rules.check(group)
        except rules.InvalidWebhookError as error:
            at = {"headers": "new_headers", "basic_auth": "password"}
            self.add_error(
                at.get(error.field, error.field), f"{error.detail} {error.fix}".strip()
            )
        else:
            values.update(checked.values)
            warnings.extend(checked.warnings)

    def _hidden(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        """Headers and basic auth, if somebody touched them; else what is kept."""
        lines, dropped = cleaned.get("new_headers", ""), cleaned.get("drop_headers", [])
        username, password = cleaned.get("username", ""), cleaned.get("password", "")
        touched: dict[str, Any] = {}
        if lines or dropped:
            headers = {n: v for n, v in self.headers.items() if n not in dropped}
            touched["headers"] = headers | self._lines(lines)
        if password or username != self.auth.get("username", ""):
            touched["basic_auth"] = None
            if username:
                kept = password or self.auth.get("password", "")
                touched["basic_auth"] = {"username": username, "password": kept}
            elif password:
                self.add_error("username", gettext("A password needs a user name."))
        if touched:
            # Together, for they exclude each other.
            touched.setdefault("headers", self.headers)
            touched.setdefault("basic_auth", self.auth or None)
        return touched

    def _lines(self, text: str) -> dict[str, str]:
        found = {}
        for line in filter(None, (line.strip() for line in text.splitlines())):
            name, colon, value = line.partition(":")
            if not colon:
                message = gettext("Write each header as Name: value, not: %s")
                self.add_error("new_headers", message % line)
                return {}
            found[name.strip()] = value.strip()
        return found
