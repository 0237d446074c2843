"""Mailboxes and their aliases."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import (
    UnfoldAdminExpandableTextareaWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from threads.admin.servers import HIGHEST_PORT, elsewhere, say
from threads.mailserver import server_of
from threads.models import Alias, Mailbox
from threads.probes import try_smtp
from threads.sources.imapserver import is_here
from webhooks.admin.base import Buttons, column
from webhooks.admin.places import KNOWN
from webhooks.fields import UnreadableSecretError

if TYPE_CHECKING:
    _MailboxForm = forms.ModelForm[Mailbox]
else:
    _MailboxForm = forms.ModelForm


class AliasInline(TabularInline):  # type: ignore[misc]
    model = Alias
    extra = 0


class MailboxForm(_MailboxForm):
    authserv_ids = forms.CharField(
        label=_("Trusted authserv-ids"),
        required=False,
        widget=UnfoldAdminExpandableTextareaWidget({"placeholder": "mx.example.com"}),
        help_text=_(
            "The names that your own mail servers write in Authentication-Results,"
            " separated by commas or lines. Only their verdict on a sender counts."
        ),
    )
    smtp_host = forms.CharField(
        label=_("Server"),
        required=False,
        widget=UnfoldAdminTextInputWidget({"placeholder": "smtp.example.com"}),
        help_text=_("Empty: replies leave by the server of the installation."),
    )
    smtp_port = forms.IntegerField(
        label=_("Port"),
        required=False,
        initial=587,
        min_value=1,
        max_value=HIGHEST_PORT,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    smtp_tls = forms.ChoiceField(
        label=_("Security"),
        required=False,
        initial="starttls",
        choices=[
            ("starttls", "STARTTLS"),
            ("ssl", "SSL/TLS"),
            ("none", _("none (only on your own machine)")),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    smtp_username = forms.CharField(
        label=_("User name"),
        required=False,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
    )
    smtp_password = forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget({"autocomplete": "new-password"}),
        help_text=_("Never shown. Leave it empty to keep the old one."),
    )

    class Meta:
        model = Mailbox
        fields = (
            *("address", "name", "strict", "by_subject", "reply_addresses"),
            *("body_marker", "catch_all"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        ids = self.instance.trusted_authserv_ids or []
        self.fields["authserv_ids"].initial = "\n".join(ids)
        try:
            self.smtp: dict[str, Any] = dict(self.instance.smtp or {})
        except UnreadableSecretError:
            # The page must open, or nobody could give it a new password.
            self.smtp = {}
        for name in ("host", "port", "tls", "username"):
            if self.smtp.get(name):
                self.fields[f"smtp_{name}"].initial = self.smtp[name]

    def clean_authserv_ids(self) -> list[str]:
        words = self.cleaned_data["authserv_ids"].replace(",", " ").lower().split()
        return list(dict.fromkeys(words))

    def clean(self) -> dict[str, Any]:
        """A password never crosses the network in clear."""
        cleaned = super().clean() or {}
        host = (cleaned.get("smtp_host") or "").strip()
        plain = cleaned.get("smtp_tls") == "none" and cleaned.get("smtp_username")
        if host and plain and not is_here(host):
            said = gettext(
                "%(host)s is another machine: without TLS everybody on the way"
                " reads the password. Choose TLS."
            )
            self.add_error("smtp_tls", said % {"host": host})
        kept = self.smtp.get("password") and cleaned.get("smtp_username")
        moved = bool(host) and host != self.smtp.get("host")
        if kept and moved and not cleaned.get("smtp_password"):
            self.add_error("smtp_password", elsewhere())
        return cleaned

    def save(self, commit: bool = True) -> Mailbox:  # noqa: FBT001, FBT002 -- Django's
        mailbox = self.instance
        mailbox.trusted_authserv_ids = self.cleaned_data["authserv_ids"]
        mailbox.smtp = self._server()
        saved: Mailbox = super().save(commit)
        return saved

    def _server(self) -> dict[str, Any]:
        """As the encrypted column holds it; an empty host means none of its own."""
        data = self.cleaned_data
        if not data.get("smtp_host"):
            return {}
        username = data.get("smtp_username") or ""
        kept = self.smtp.get("password", "") if username else ""
        return {
            "host": data["smtp_host"].strip(),
            "port": data.get("smtp_port") or 587,
            "tls": data.get("smtp_tls") or "starttls",
            "username": username,
            "password": data.get("smtp_password") or kept,
        }


@admin.register(Mailbox)
class MailboxAdmin(Buttons, ModelAdmin):  # type: ignore[misc]
    form = MailboxForm
    add_label = _("New mailbox")
    change_form_template = "admin/threads/mailbox/change_form.html"
    list_display = ("address", "name", "domain", "sends_by")
    search_fields = ("address", "name")
    inlines: ClassVar = [AliasInline]
    fieldsets = (
        (None, {"fields": ("address", "name", "catch_all")}),
        (
            _("Threads"),
            {
                "fields": (
                    *("strict", "by_subject", "reply_addresses", "body_marker"),
                    "authserv_ids",
                )
            },
        ),
        (
            _("Sending (SMTP)"),
            {
                "fields": (
                    "smtp_host",
                    "smtp_port",
                    "smtp_tls",
                    "smtp_username",
                    "smtp_password",
                )
            },
        ),
    )
    buttons: ClassVar = {"test_smtp": _("SMTP was tested.")}

    @column(_("sends by"))
    def sends_by(self, obj: Mailbox) -> str:
        try:
            own = (obj.smtp or {}).get("host")
        except UnreadableSecretError:
            return gettext("can't be decrypted")
        return own or gettext("the installation's server")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if (mailbox := kwargs.get("obj")) is not None:
            context["sources"] = mailbox.sources.order_by("-active", "pk")
        return super().render_change_form(request, context, *args, **kwargs)

    def test_smtp(self, request: HttpRequest, mailbox: Mailbox) -> None:
        try:
            server = server_of(mailbox)
        except UnreadableSecretError as error:
            messages.error(request, str(error))
            return
        if not server:
            messages.error(
                request,
                gettext("There is no SMTP server: set one here, or EMAIL_HOST."),
            )
            return
        say(request, try_smtp(server))


# --- What webhooks may be bound to --------------------------------------------------


def _addresses() -> list[str]:
    return list(Mailbox.objects.order_by("address").values_list("address", flat=True))


def domains() -> list[str]:
    known = Mailbox.objects.order_by("domain").values_list("domain", flat=True)
    return list(known.distinct())


KNOWN.mailboxes = _addresses
KNOWN.domains = domains
