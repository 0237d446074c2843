"""The page behind a link to set a password: where everybody here begins."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.views import PasswordResetConfirmView
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.utils.translation import gettext as _
from unfold.widgets import UnfoldAdminPasswordWidget

if TYPE_CHECKING:
    from threads.models import User

    _Form = SetPasswordForm[User]
else:
    _Form = SetPasswordForm


class NewPasswordForm(_Form):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget = UnfoldAdminPasswordWidget(field.widget.attrs)


class NewPassword(PasswordResetConfirmView):
    form_class = NewPasswordForm
    template_name = "admin/new_password.html"
    success_url = reverse_lazy("admin:login")

    def form_valid(self, form: forms.BaseForm) -> HttpResponse:
        answer = super().form_valid(form)
        messages.success(self.request, _("Your password is set. Log in with it."))
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {
            **admin.site.each_context(self.request),
            **super().get_context_data(**kwargs),
            "title": _("Your password"),
            "member": self.user,
        }
