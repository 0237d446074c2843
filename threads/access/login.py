"""Logging in: the password, and the code when the person has a second factor."""

import time
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm as DjangoForm
from django.contrib.auth.views import LoginView, RedirectURLMixin
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.views.generic import FormView
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from threads.access import factor
from threads.access.factor import Verdict
from threads.models import User

_PENDING = "second_factor"
# Time to find the telephone.
_PENDING_SECONDS = 600


class LoginForm(AuthenticationForm):  # type: ignore[misc]
    """Names are e-mail addresses, and nobody remembers how he wrote his."""

    def clean_username(self) -> str:
        written: str = self.cleaned_data["username"]
        return written.strip().lower() if "@" in written else written


class Login(LoginView):
    """Who has a second factor is asked for its code before the session is his."""

    form_class = LoginForm
    template_name = "admin/login.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kw: Any) -> HttpResponseBase:
        if request.method == "GET" and admin.site.has_permission(request):
            return redirect("admin:index")
        return super().dispatch(request, *args, **kw)

    def form_valid(self, form: DjangoForm) -> HttpResponse:
        # Any: `authenticate` adds the backend to it.
        user: Any = form.get_user()
        if not factor.enrolled(user):
            return super().form_valid(form)
        self.request.session[_PENDING] = {
            "user": user.pk,
            "hash": user.get_session_auth_hash(),
            "backend": user.backend,
            "until": time.time() + _PENDING_SECONDS,
        }
        query = urlencode({self.redirect_field_name: self.get_redirect_url()})
        return redirect(f"{reverse('login_code')}?{query}")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {
            **admin.site.each_context(self.request),
            "title": _("Log in"),
            "app_path": self.request.get_full_path(),
            **super().get_context_data(**kwargs),
        }


class CodeForm(forms.Form):
    code = forms.CharField(
        label=_("Code"),
        max_length=32,
        widget=UnfoldAdminTextInputWidget(
            attrs={
                "autocomplete": "one-time-code",
                "inputmode": "text",
                "autofocus": "",
                "spellcheck": "false",
            }
        ),
    )


if TYPE_CHECKING:
    _CodeView = FormView[CodeForm]
else:
    _CodeView = FormView


class Code(RedirectURLMixin, _CodeView):
    """The second step; who waits too long, or changed his password, begins again."""

    form_class = CodeForm
    template_name = "admin/login_code.html"
    next_page = settings.LOGIN_REDIRECT_URL

    def dispatch(self, request: HttpRequest, *args: Any, **kw: Any) -> HttpResponseBase:
        found = _waiting(request)
        if found is None:
            return redirect(settings.LOGIN_URL)
        self.user, self.backend = found
        return super().dispatch(request, *args, **kw)

    def form_valid(self, form: CodeForm) -> HttpResponse:
        verdict = factor.verify(self.user, form.cleaned_data["code"])
        if verdict is not Verdict.RIGHT:
            form.add_error("code", sentence(verdict))
            return self.form_invalid(form)
        del self.request.session[_PENDING]
        login(self.request, self.user, backend=self.backend)
        return redirect(self.get_success_url())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {
            **admin.site.each_context(self.request),
            "title": _("One more step"),
            **super().get_context_data(**kwargs),
        }


def sentence(verdict: Verdict) -> Any:
    """What to say of a code that was not accepted."""
    if verdict is Verdict.TOO_SOON:
        return _("Too many wrong codes. Wait a moment, then try again.")
    return _("This code is not right. Codes are valid for half a minute, and once.")


def _waiting(request: HttpRequest) -> tuple[User, str] | None:
    """Who gave his password and has still to give a code, and the backend he used."""
    pending = request.session.get(_PENDING)
    if not pending or pending["until"] < time.time():
        return None
    user = User.objects.filter(pk=pending["user"], is_active=True).first()
    if user is None or not constant_time_compare(
        pending["hash"], user.get_session_auth_hash()
    ):
        return None
    return user, pending["backend"]
