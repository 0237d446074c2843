"""The sources that a mailbox's mail is fetched from."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import (
    UnfoldAdminExpandableTextareaWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from threads.admin.servers import HIGHEST_PORT, elsewhere, say
from threads.models import IngestRecord, Source
from threads.models.limits import mail_bytes
from threads.probes import try_source
from threads.sources import oauth
from threads.sources.base import SourceError
from threads.sources.imapserver import PORTS, Server
from threads.sources.maildir import Maildir
from webhooks.admin.base import Buttons, WithoutTransaction, column
from webhooks.fields import UnreadableSecretError

if TYPE_CHECKING:
    _SourceForm = forms.ModelForm[Source]
else:
    _SourceForm = forms.ModelForm

_LEFT_SHOWN = 20
_READABLE = (Source.Kind.MAILDIR, Source.Kind.IMAP)
_OF_IMAP = (
    *("host", "port", "security", "username", "password", "client_id"),
    *("client_secret", "refresh_token", "tenant", "token_url", "scope"),
    *("imap_folder", "authority"),
)
_OF_OAUTH = ("client_id", "client_secret", "refresh_token")
# Of the encrypted settings, what a form may show again.
_SHOWN = ("login", "client_id", "tenant", "token_url", "scope", "authority")


def _real(location: str) -> str:
    """A folder has several names; an address of IMAP is its own."""
    return location if "://" in location else str(Path(location).resolve())


class SourceForm(_SourceForm):
    """A Maildir is a folder here; an IMAP folder is a server, a user and a name."""

    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=[(kind.value, kind.label) for kind in _READABLE],
        widget=UnfoldAdminSelectWidget,
    )
    location = forms.CharField(
        label=_("Folder"),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_(
            "The full path of a Maildir: the folder that holds cur, new and tmp."
        ),
    )
    login = forms.ChoiceField(
        label=_("Login"),
        required=False,
        choices=[
            ("password", _("user name and password")),
            ("microsoft", "Microsoft 365 (OAuth)"),
            ("google", "Google (OAuth)"),
            ("oauth", _("another provider (OAuth)")),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    host = forms.CharField(
        label=_("Server"),
        required=False,
        widget=UnfoldAdminTextInputWidget({"placeholder": "imap.example.com"}),
        help_text=_("May stay empty for Microsoft 365 and Google."),
    )
    port = forms.IntegerField(
        label=_("Port"),
        required=False,
        min_value=1,
        max_value=HIGHEST_PORT,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("Empty: 993 for TLS, 143 for STARTTLS."),
    )
    security = forms.ChoiceField(
        label=_("Security"),
        required=False,
        initial="tls",
        choices=[
            ("tls", "TLS"),
            ("starttls", "STARTTLS"),
            ("none", _("none (only on your own machine)")),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    username = forms.CharField(
        label=_("User name"),
        required=False,
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
    )
    password = forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget({"autocomplete": "new-password"}),
        help_text=_("Never shown. Leave it empty to keep the old one."),
    )
    imap_folder = forms.CharField(
        label=_("Folder on the server"),
        required=False,
        initial="INBOX",
        widget=UnfoldAdminTextInputWidget,
    )
    client_id = forms.CharField(
        label=_("Client ID"), required=False, widget=UnfoldAdminTextInputWidget
    )
    client_secret = forms.CharField(
        label=_("Client secret"),
        required=False,
        widget=UnfoldAdminPasswordWidget({"autocomplete": "new-password"}),
        help_text=_("Never shown. Leave it empty to keep the old one."),
    )
    refresh_token = forms.CharField(
        label=_("Refresh token"),
        required=False,
        widget=UnfoldAdminPasswordWidget({"autocomplete": "new-password"}),
        help_text=_("Never shown. Leave it empty to keep the old one."),
    )
    tenant = forms.CharField(
        label=_("Tenant"),
        required=False,
        widget=UnfoldAdminTextInputWidget({"placeholder": "common"}),
        help_text=_("The directory (tenant) ID of the organisation at Microsoft."),
    )
    token_url = forms.URLField(
        label=_("Token URL"),
        required=False,
        assume_scheme="https",
        widget=UnfoldAdminTextInputWidget,
    )
    scope = forms.CharField(
        label=_("OAuth scope"), required=False, widget=UnfoldAdminTextInputWidget
    )
    authority = forms.CharField(
        label=_("Own certificate authority"),
        required=False,
        widget=UnfoldAdminExpandableTextareaWidget,
        help_text=_(
            "Only for a server with a certificate of your own: PEM. The name in it is"
            " checked all the same."
        ),
    )

    start = forms.ChoiceField(
        label=_("Take in"),
        required=False,
        choices=Source.Start.choices,
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None and "start" in self.fields:
            usual = _("as usual (IMAP: from now on; Maildir: everything)")
            self.fields["start"].choices = [("", usual), *Source.Start.choices]
            self.initial |= {"start": "", "report_old": False}
        for name in {"after", "grace_days"} & self.fields.keys():
            self.fields[name].required = False  # only shown for IMAP
        try:
            self.kept: dict[str, Any] = dict(self.instance.settings or {})
        except UnreadableSecretError:
            # The page must open, or nobody could enter them anew.
            self.kept = {}
        if self.instance.kind != Source.Kind.IMAP or "kind" not in self.fields:
            return
        server = Server.parse(self.instance.location)
        self.initial["location"] = ""
        shown = {
            "host": server.host,
            "port": server.port,
            "security": server.security,
            "username": server.username,
            "imap_folder": server.folder,
            "login": "password",
            **{name: self.kept[name] for name in _SHOWN if self.kept.get(name)},
        }
        for name, value in shown.items():
            self.fields[name].initial = value

    def clean(self) -> dict[str, Any]:
        """A source that can't be opened is refused now, not at night."""
        cleaned = super().clean() or {}
        if not cleaned.get("start"):
            # History of an IMAP folder would be a storm of webhooks.
            maildir = cleaned.get("kind") == Source.Kind.MAILDIR
            cleaned["start"] = Source.Start.ALL if maildir else Source.Start.NOW
            cleaned["report_old"] = maildir
        cleaned["after"] = cleaned.get("after") or Source.After.LEAVE
        cleaned["grace_days"] = cleaned.get("grace_days") or self.instance.grace_days
        if cleaned.get("kind") == Source.Kind.MAILDIR:
            self._clean_maildir(cleaned)
        elif cleaned.get("kind") == Source.Kind.IMAP:
            self._clean_imap(cleaned)
        if cleaned.get("start") == Source.Start.SINCE and not cleaned.get("since"):
            self.add_error("since", gettext("Say since when."))
        moves = cleaned.get("after") == Source.After.MOVE
        if moves and not cleaned.get("move_to"):
            self.add_error("move_to", gettext("Say to which folder."))
        self._refuse_twice(cleaned)
        return cleaned

    def _refuse_twice(self, cleaned: dict[str, Any]) -> None:
        """Two sources of one folder would each make a thread of every mail."""
        place, kind = cleaned.get("location"), cleaned.get("kind")
        if not place or not cleaned.get("active"):
            return
        others = Source.objects.filter(active=True, kind=kind)
        for other in others.exclude(pk=self.instance.pk).select_related("mailbox"):
            if _real(other.location) == _real(place):
                said = gettext(
                    "This is fetched already, for %(mailbox)s. One source can bring"
                    " mail for several mailboxes: switch that on there."
                )
                name = "location" if kind == Source.Kind.MAILDIR else "host"
                self.add_error(name, said % {"mailbox": other.mailbox})
                return

    def _clean_maildir(self, cleaned: dict[str, Any]) -> None:
        if not cleaned.get("location"):
            self.add_error("location", gettext("This field is required."))
            return
        if not Path(cleaned["location"]).is_absolute():
            self.add_error(
                "location", gettext("Write the full path: it begins with a slash.")
            )
            return
        try:
            Maildir(cleaned["location"])
        except SourceError as error:
            raise ValidationError({"location": error.said(gettext)}) from error

    def _clean_imap(self, cleaned: dict[str, Any]) -> None:
        provider = oauth.PROVIDERS.get(cleaned.get("login") or "")
        security = cleaned.get("security") or "tls"
        host = cleaned.get("host") or (provider.host if provider else "")
        for name, value in (("host", host), ("username", cleaned.get("username"))):
            if not value:
                self.add_error(name, gettext("This field is required."))
        if self.errors:
            return
        try:
            server = Server(
                host=host,
                port=cleaned.get("port") or PORTS[security],
                security=security,
                username=cleaned["username"],
                folder=cleaned.get("imap_folder") or "INBOX",
            )
        except SourceError as error:
            raise ValidationError({"host": error.said(gettext)}) from error
        cleaned["location"] = server.url
        cleaned["settings"] = secrets = self._secrets(cleaned, provider)
        self._refuse_elsewhere(cleaned, server)
        needed: tuple[str, ...] = ("password",)
        if cleaned.get("login") != "password":
            needed = ("client_id", "refresh_token", "token_url")
        for name in needed:
            if not secrets.get(name):
                self.add_error(name, gettext("This field is required."))

    def _refuse_elsewhere(self, cleaned: dict[str, Any], server: Server) -> None:
        """Nobody reads a stored secret by having it sent to a server of his own."""
        if self.instance.kind != Source.Kind.IMAP or not self.kept:
            return
        was = Server.parse(self.instance.location).host, self.kept.get("token_url")
        secret = "password" if cleaned.get("login") == "password" else "refresh_token"
        now = server.host, cleaned["settings"].get("token_url", was[1])
        if now != was and not cleaned.get(secret):
            self.add_error(secret, elsewhere())

    def _secrets(
        self, cleaned: dict[str, Any], provider: oauth.Provider | None
    ) -> dict[str, Any]:
        """As the encrypted column holds them; what stays empty stays what it was."""
        login = cleaned.get("login") or "password"
        shown: dict[str, Any] = {"authority": cleaned.get("authority"), "login": login}
        if login == "password":
            hidden = ["password"]
        else:
            hidden = ["client_secret", "refresh_token"]
            shown |= {name: cleaned.get(name) for name in ("client_id", "tenant")}
            tenant = cleaned.get("tenant") or "common"
            shown["token_url"] = cleaned.get("token_url")
            shown["scope"] = cleaned.get("scope")
            if provider:
                shown["token_url"] = provider.token_url.format(tenant=tenant)
                shown["scope"] = provider.scope
        kept = {name: cleaned.get(name) or self.kept.get(name) for name in hidden}
        return {name: value for name, value in {**shown, **kept}.items() if value}

    def save(self, commit: bool = True) -> Source:  # noqa: FBT001, FBT002 -- Django's
        source = self.instance
        if source.kind == Source.Kind.IMAP:
            source.settings = self.cleaned_data["settings"]
            # New settings deserve a try at once.
            source.spared_until = None
            if self.cleaned_data.get("refresh_token"):
                source.tokens = None
        saved: Source = super().save(commit)
        return saved


@admin.register(Source)
class SourceAdmin(Buttons, ModelAdmin, WithoutTransaction):  # type: ignore[misc]
    form = SourceForm
    add_label = _("New source")
    change_form_template = "admin/threads/source/change_form.html"
    list_display = ("location", "mailbox", "kind", "health", "last_pass_at")
    list_filter = ("active", "kind", "mailbox")
    list_select_related = ("mailbox",)
    search_fields = ("location", "mailbox__address")
    # No headings: one of them would stand above nothing.
    fields = (
        *("mailbox", "kind", "location", "login", *_OF_IMAP, "active", "sent"),
        *("by_recipient", "start", "since", "report_old"),
        *("after", "move_to", "grace_days"),
    )
    conditional_fields: ClassVar = {
        "since": "start == 'since'",
        "location": "kind == 'maildir'",
        **dict.fromkeys(("login", *_OF_IMAP, "after"), "kind == 'imap'"),
        "password": "kind == 'imap' && login == 'password'",
        **dict.fromkeys(_OF_OAUTH, "kind == 'imap' && login != 'password'"),
        "tenant": "kind == 'imap' && login == 'microsoft'",
        "token_url": "kind == 'imap' && login == 'oauth'",
        "scope": "kind == 'imap' && login == 'oauth'",
        "move_to": "kind == 'imap' && after == 'move'",
        "grace_days": "kind == 'imap' && after == 'delete'",
    }
    buttons: ClassVar = {"test_connection": _("The connection was tested.")}

    @column(
        _("state"),
        label={"ok": "success", "new": "info", "error": "danger", "off": "default"},
    )
    def health(self, obj: Source) -> tuple[str, str]:
        if not obj.active:
            return "off", gettext("switched off")
        if obj.last_error:
            return "error", gettext("error")
        if obj.last_pass_at is None:
            return "new", gettext("not fetched yet")
        return "ok", gettext("works")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if (source := kwargs.get("obj")) is not None:
            left = IngestRecord.objects.left().filter(source=source)
            found = list(left.order_by("-pk")[: _LEFT_SHOWN + 1])
            context |= {
                "left": found[:_LEFT_SHOWN],
                "more_left": len(found) > _LEFT_SHOWN,
                "limit": mail_bytes(),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: Source, form: Any, change: Any
    ) -> None:
        """Saved whatever the server says; what it says is seen at once."""
        super().save_model(request, obj, form, change)
        if obj.kind == Source.Kind.IMAP and obj.active:
            self.test_connection(request, obj)

    def test_connection(self, request: HttpRequest, source: Source) -> None:
        finding = try_source(source)
        if finding.ok:
            # It lets us in: there is no need to wait.
            Source.objects.filter(pk=source.pk).update(spared_until=None)
        say(request, finding)
