"""The pages of django-q2's queue: for superusers, and for looking and deleting only.

A schedule calls any dotted path: who may write one may run anything.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django_q import admin as theirs
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.admin import ModelAdmin

from webhooks.admin.base import Titled

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin


class SuperusersOnly(_ModelAdmin):
    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_view_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        return bool(request.user.is_superuser)


class QueueAdmin(Titled, theirs.QueueAdmin):  # type: ignore[misc]
    def shown_name(self, obj: OrmQ) -> str:
        return str(obj.name())


for model, page in (
    (Schedule, theirs.ScheduleAdmin),
    (Success, theirs.TaskAdmin),
    (Failure, theirs.FailAdmin),
    (OrmQ, QueueAdmin),
):
    admin.site.unregister(model)
    admin.site.register(
        model, type(page.__name__, (SuperusersOnly, page, ModelAdmin), {})
    )
