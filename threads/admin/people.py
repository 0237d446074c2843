"""The people who work here: they log in with their e-mail address."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm

from threads import people
from threads.access import groups
from threads.models import Team, User
from webhooks.admin.base import Buttons, PlainChoices, Titled, column
from webhooks.admin.cluster import SuperusersOnly
from webhooks.admin.form import Choices

if TYPE_CHECKING:
    _Form = forms.ModelForm[User]
    _Choice = forms.ModelMultipleChoiceField[Any]
else:
    _Form = forms.ModelForm
    _Choice = forms.ModelMultipleChoiceField

_LONGEST_USERNAME = 150
# Whoever could give these to himself would have them all.
_POWERS = ("is_superuser", "is_staff")
_ACCESS = ("is_active", *_POWERS)


class GroupsField(_Choice):
    def label_from_instance(self, obj: Group) -> str:
        return groups.title(obj.name)


class RightsField(_Choice):
    def label_from_instance(self, obj: Permission) -> str:
        return groups.right(obj)


class EmailIsName:
    """The address is the name to log in with; nobody sees a second one."""

    cleaned_data: dict[str, Any]
    instance: User

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].strip().lower()
        if len(email) > _LONGEST_USERNAME:
            raise ValidationError(
                _("This address is longer than %(limit)d characters."),
                params={"limit": _LONGEST_USERNAME},
            )
        others = User.objects.exclude(pk=self.instance.pk)
        if others.filter(models.Q(email=email) | models.Q(username=email)).exists():
            raise ValidationError(_("There is a team member with this address."))
        self.instance.username = email
        return email


class MemberForm(EmailIsName, UserChangeForm):  # type: ignore[misc]
    class Meta(UserChangeForm.Meta):  # type: ignore[misc]
        model = User
        fields = ("email",)
        field_classes: ClassVar[dict[str, Any]] = {}


class NewMemberForm(EmailIsName, _Form):
    """Without a password: who comes sets his own, by the link that the maker gets."""

    class Meta:
        model = User
        fields = ("email", "first_name", "last_name", "language", "groups")


def _held(user: Any) -> models.QuerySet[Permission]:
    """What he may do himself and by his groups, or could again once he is active."""
    return Permission.objects.filter(models.Q(user=user) | models.Q(group__user=user))


def grantable(user: Any) -> models.QuerySet[Group]:
    """The groups that give nothing he does not hold himself."""
    if user.is_superuser:
        return Group.objects.all()
    beyond = Permission.objects.exclude(pk__in=_held(user).values("pk"))
    return Group.objects.exclude(permissions__in=beyond)


def givable(site: admin.AdminSite) -> models.QuerySet[Permission]:
    """Rights to what has a page, and whatever a group already holds."""
    kinds = ContentType.objects.get_for_models(*site._registry).values()  # noqa: SLF001 -- no other list
    wanted = models.Q(content_type__in=[kind.pk for kind in kinds])
    held = Group.objects.values("permissions")
    return Permission.objects.filter(wanted | models.Q(pk__in=held)).select_related(
        "content_type"
    )


@admin.register(User)
class UserAdmin(Buttons, PlainChoices, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    form = MemberForm
    add_form = NewMemberForm
    change_password_form = AdminPasswordChangeForm
    add_label = _("New team member")
    list_display = ("email", "first_name", "last_name", "language", "is_active")
    list_filter = ("is_active", "groups", "teams")
    filter_horizontal = ()
    change_form_template = "admin/threads/user/change_form.html"
    search_fields = ("email", "first_name", "last_name")
    ordering = ("email",)
    add_fieldsets = (
        (
            None,
            {"fields": ("email", "first_name", "last_name", "language", "groups")},
        ),
    )
    fieldsets = (
        (None, {"fields": ("email", "first_name", "last_name", "language")}),
        (_("Access"), {"fields": ("is_active", "is_staff", "groups", "is_superuser")}),
    )

    buttons: ClassVar = {"invite": _("A link to set a password was made.")}

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "groups":
            kwargs |= {"queryset": grantable(request.user), "form_class": GroupsField}
        return super().formfield_for_manytomany(
            db_field, request, **kwargs, widget=Choices()
        )

    def get_readonly_fields(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> Any:
        """Nobody locks himself out, by mistake or for the last time."""
        if obj is not None and obj.pk == request.user.pk:
            return _ACCESS
        return () if request.user.is_superuser else _POWERS

    def has_change_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        """Nobody manages those who may do more: their password would be power."""
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and not self._above(request, obj)

    def has_delete_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        allowed: bool = super().has_delete_permission(request, obj)
        himself = obj is not None and obj.pk == request.user.pk
        return allowed and not himself and not self._above(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Who did what stays known: an account that did anything is switched off."""
        found = super().get_deleted_objects(objs, request)
        deleted, counts, missing, protected = found
        if LogEntry.objects.filter(user__in=objs).exists():
            told = gettext("The history: who did what. Switch the account off instead.")
            protected = [*protected, told]
        return deleted, counts, missing, protected

    def may_press(self, request: HttpRequest, obj: Any) -> bool:
        return self.has_change_permission(request, obj)

    def _above(self, request: HttpRequest, obj: models.Model | None) -> bool:
        if request.user.is_superuser or not isinstance(obj, User):
            return False
        own = _held(request.user).values("pk")
        return obj.is_superuser or _held(obj).exclude(pk__in=own).exists()

    def save_model(
        self, request: HttpRequest, obj: User, form: Any, change: Any
    ) -> None:
        """A new member may log in here; what he sees there, his groups say."""
        if not change:
            obj.is_staff = True
            obj.set_unusable_password()
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: User, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._link(request, obj)

    def invite(self, request: HttpRequest, member: User) -> HttpResponse:
        """For who lost the first one, or let it grow old."""
        return self._link(request, member)

    def _link(self, request: HttpRequest, member: User) -> HttpResponse:
        """In the answer to the POST that made it, and nowhere else."""
        context = {
            **self.admin_site.each_context(request),
            "title": str(member),
            "opts": self.opts,
            "member": member,
            "link": people.password_link(member),
            "hours": settings.PASSWORD_RESET_TIMEOUT // 3600,
            "page": self.page_of(member),
        }
        answer = TemplateResponse(request, "admin/threads/user/link.html", context)
        answer["Cache-Control"] = "no-store"
        return answer


@admin.register(Team)
class TeamAdmin(PlainChoices, ModelAdmin):  # type: ignore[misc]
    add_label = _("New team")
    list_display = ("name",)

    def formfield_for_manytomany(self, *args: Any, **kwargs: Any) -> Any:
        return super().formfield_for_manytomany(*args, **kwargs, widget=Choices())


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(SuperusersOnly, Titled, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Rights are given by superusers; here, unlike the queue, groups are also made."""

    add_label = _("New group")
    list_display = ("shown_name",)
    # Two lists with arrows are wider than a telephone, and half in English.
    filter_horizontal = ()

    @column(_("group"), ordering="name")
    def shown_name(self, obj: Group) -> str:
        return groups.title(obj.name)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What `groups` looks for by its name keeps that name."""
        return ("permissions",) if self._ours(obj) else ("name", "permissions")

    def has_delete_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed and not self._ours(obj)

    def _ours(self, obj: models.Model | None) -> bool:
        return isinstance(obj, Group) and obj.name in groups.GROUPS

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "permissions":
            kwargs["queryset"] = givable(self.admin_site)
        return super().formfield_for_manytomany(
            db_field, request, **kwargs, form_class=RightsField, widget=Choices()
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        return bool(request.user.is_superuser)
