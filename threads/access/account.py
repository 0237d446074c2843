"""A team member's own page: who he is here, and his second factor."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET

from threads.access import factor, groups
from threads.access.factor import Verdict
from threads.access.login import CodeForm, sentence
from threads.models import SecondFactor, User

_View = Callable[[HttpRequest], HttpResponse]


def _posted(view: _View) -> _View:
    """Who had to log in first comes by a button's address: the page has the button."""

    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        return view(request) if request.method == "POST" else redirect("account")

    return answer


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    return _shown(request, CodeForm())


@_posted
def begin(request: HttpRequest) -> HttpResponse:
    factor.begin(_member(request))
    return redirect("account")


@_posted
@sensitive_post_parameters("code")
def confirm(request: HttpRequest) -> HttpResponse:
    form = CodeForm(request.POST)
    if form.is_valid():
        verdict, codes = factor.confirm(_member(request), form.cleaned_data["code"])
        if verdict is Verdict.RIGHT:
            return _shown(request, CodeForm(), codes=codes)
        form.add_error("code", sentence(verdict))
    return _shown(request, form)


@_posted
@sensitive_post_parameters("code")
def remove(request: HttpRequest) -> HttpResponse:
    """Asks for a code: a screen left unlocked must not be enough."""
    form = CodeForm(request.POST)
    if form.is_valid():
        verdict = factor.verify(_member(request), form.cleaned_data["code"])
        if verdict is Verdict.RIGHT:
            factor.remove(_member(request))
            messages.success(request, _("The second factor is off."))
            return redirect("account")
        form.add_error("code", sentence(verdict))
    return _shown(request, form)


def _member(request: HttpRequest) -> User:
    """These pages are behind `admin_view`: somebody is logged in."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def _shown(
    request: HttpRequest, form: CodeForm, codes: list[str] | None = None
) -> HttpResponse:
    member = _member(request)
    row = SecondFactor.objects.filter(user=member).first()
    begun = row if row is not None and not row.confirmed else None
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": _("My account"),
        "member": member,
        "groups": [groups.title(group.name) for group in member.groups.all()],
        "form": form,
        "factor": row,
        "picture": factor.picture(begun) if begun else "",
        "codes": codes or [],
    }
    return render(request, "admin/account.html", context)
