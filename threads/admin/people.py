"""The people who work here: they log in with their e-mail address."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from threads.models import Team, User
from webhooks.admin.cluster import SuperusersOnly
from webhooks.admin.form import Choices

_LONGEST_USERNAME = 150
# Whoever could give these to himself would have them all.
_POWERS = ("is_superuser", "is_staff", "groups")


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


class NewMemberForm(EmailIsName, UserCreationForm):  # type: ignore[misc]
    usable_password = None

    class Meta:
        model = User
        fields = ("email", "first_name", "last_name", "language")


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
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
            {
                "fields": (
                    "email",
                    "first_name",
                    "last_name",
                    "language",
                    "password1",
                    "password2",
                )
            },
        ),
    )
    fieldsets = (
        (None, {"fields": ("email", "first_name", "last_name", "language")}),
        (_("Access"), {"fields": ("is_active", "is_staff", "groups", "is_superuser")}),
    )

    def formfield_for_manytomany(self, *args: Any, **kwargs: Any) -> Any:
        return super().formfield_for_manytomany(*args, **kwargs, widget=Choices())

    def get_readonly_fields(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> Any:
        return () if request.user.is_superuser else _POWERS

    def has_change_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        """Who manages people manages no superuser: his password would be power."""
        allowed: bool = super().has_change_permission(request, obj)
        above = isinstance(obj, User) and obj.is_superuser
        return allowed and (request.user.is_superuser or not above)

    def has_delete_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        allowed: bool = super().has_delete_permission(request, obj)
        above = isinstance(obj, User) and obj.is_superuser
        return allowed and (request.user.is_superuser or not above)

    def save_model(
        self, request: HttpRequest, obj: User, form: Any, change: Any
    ) -> None:
        """A new member may log in here; what he sees there, his groups say."""
        if not change:
            obj.is_staff = True
        super().save_model(request, obj, form, change)


@admin.register(Team)
class TeamAdmin(ModelAdmin):  # type: ignore[misc]
    add_label = _("New team")
    list_display = ("name",)

    def formfield_for_manytomany(self, *args: Any, **kwargs: Any) -> Any:
        return super().formfield_for_manytomany(*args, **kwargs, widget=Choices())


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(SuperusersOnly, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Rights are given by superusers; here, unlike the queue, groups are also made."""

    add_label = _("New group")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        return bool(request.user.is_superuser)
