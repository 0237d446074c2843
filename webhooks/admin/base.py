"""What pages of the staff site share: buttons that post, and pages that only show."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.core.paginator import EmptyPage, Page, Paginator
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import translation
from django.utils.functional import cached_property
from django.utils.translation import gettext
from unfold.decorators import display

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _Paginator = Paginator[Any]
else:
    _ModelAdmin = admin.ModelAdmin
    _Paginator = Paginator
_Method = TypeVar("_Method", bound=Callable[..., Any])

# Beyond it nobody leafs: filter, or search. Counting stops there too.
MOST_COUNTED = 1_000


class CappedPaginator(_Paginator):
    """One search tells how many there are, and which stand on a page.

    A list's filter may read a whole table; it is not asked for the count and for each
    page again.
    """

    @cached_property
    def keys(self) -> list[Any]:
        """One more than is counted, which says that there are more."""
        rows: Any = self.object_list
        return list(rows.values_list("pk", flat=True)[: MOST_COUNTED + 1])

    @cached_property
    def _found(self) -> int:
        rows = self.object_list
        return len(self.keys if isinstance(rows, models.QuerySet) else rows)

    @cached_property
    def count(self) -> int:
        return min(self._found, MOST_COUNTED)

    def validate_number(self, number: Any) -> int:
        """A list may become shorter under somebody's hands: then its last page."""
        try:
            return super().validate_number(number)
        except EmptyPage:
            if int(number) < 1:
                raise
            return self.num_pages

    @property
    def capped(self) -> bool:
        """There are more than it counted."""
        return self._found > MOST_COUNTED

    def page(self, number: int | str) -> Page[Any]:
        if not isinstance(self.object_list, models.QuerySet):
            return super().page(number)
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        shown = self.keys[first : first + self.per_page]
        return Page(self.object_list.filter(pk__in=shown), number, self)


def column(
    title: Any, *, ordering: str = "", label: Any = None
) -> Callable[[_Method], _Method]:
    """A column of a list: its title, the field it sorts by, colours by value."""
    mark: Callable[[_Method], _Method] = display(
        description=title, ordering=ordering or None, label=label
    )
    return mark


class Titled(_ModelAdmin):
    """Rows named for programmers; `shown_name` stands in the line above their page."""

    def shown_name(self, obj: Any) -> str:
        return str(obj)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        found: Any = super().get_object(request, object_id, from_field)
        if found is not None:
            found.shown_name = self.shown_name(found)
        return found

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if (obj := kwargs.get("obj")) is not None:
            context["subtitle"] = self.shown_name(obj)
        return super().render_change_form(request, context, *args, **kwargs)


class PlainChoices(_ModelAdmin):
    """Without the small menu that opens a window to change the choices themselves."""

    def formfield_for_dbfield(self, *args: Any, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(*args, **kwargs)
        widget = getattr(field, "widget", None)
        if field is not None and isinstance(widget, RelatedFieldWidgetWrapper):
            field.widget = widget.widget
        return field


class Buttons(_ModelAdmin):
    """Buttons on a page that do something: each posts with a token, never a link.

    `buttons` maps the name of a method `(request, obj) -> response | bool | None` to
    the line that the history keeps of it; False keeps none, for nothing was done. What
    is no response goes back to the page.
    """

    buttons: ClassVar[Mapping[str, Any]] = {}

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{name.replace('_', '-')}/",
                self.admin_site.admin_view(partial(self._press, name)),
                name=self._button_name(name),
            )
            for name in self.buttons
        ]
        return own + super().get_urls()

    def may_press(self, request: HttpRequest, obj: Any) -> bool:
        """Whoever may change such a row; also where its page only shows."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self._model}")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= {"show_save_and_continue": False, "show_save_and_add_another": False}
        obj = kwargs.get("obj")
        if obj is not None and self.may_press(request, obj):
            context["press"] = {
                name: reverse(f"admin:{self._button_name(name)}", args=[obj.pk])
                for name in self.buttons
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def page_of(self, obj: models.Model) -> str:
        name = f"admin:{self.opts.app_label}_{self._model}_change"
        return reverse(name, args=[obj.pk])

    @property
    def _model(self) -> str:
        return str(self.opts.model_name)

    def _button_name(self, name: str) -> str:
        return f"{self.opts.app_label}_{self._model}_{name}"

    def _press(
        self, name: str, request: HttpRequest, object_id: str
    ) -> HttpResponseBase:
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404
        if request.method != "POST":
            # Who had to log in first comes by this address.
            return HttpResponseRedirect(self.page_of(obj))
        if not self.may_press(request, obj):
            raise PermissionDenied
        answer = getattr(self, name)(request, obj)
        if answer is not False:
            with translation.override("en"):
                self.log_change(request, obj, str(self.buttons[name]))
        if isinstance(answer, HttpResponseBase):
            return answer
        return HttpResponseRedirect(self.page_of(obj))

    def history_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What was pressed, in the language of who reads it."""
        page: HttpResponse = super().history_view(request, object_id, extra_context)
        shown = getattr(page, "context_data", None) or {}
        for entry in shown.get("action_list", ()):
            if entry.change_message:
                entry.change_message = gettext(entry.change_message)
        return page


class OnlyOne(_ModelAdmin):
    """One row at most, over a setting: its form stands where others have a list."""

    # What counts while there is no row: field → who says it.
    in_force: ClassVar[Mapping[str, Callable[[], Any]]] = {}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """There is nothing to list."""
        if self.model.objects.exists() or not self.has_add_permission(request):
            return self._only(request, extra_context)
        return HttpResponseRedirect(reverse(f"{self._name}_add"))

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A second row would be one too many."""
        if self.model.objects.exists():
            return self._only(request, extra_context)
        page: HttpResponse = super().add_view(request, form_url, extra_context)
        return page

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= {"show_save_and_continue": False, "show_save_and_add_another": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {name: said() for name, said in self.in_force.items()}

    @property
    def _name(self) -> str:
        return f"admin:{self.opts.app_label}_{self.opts.model_name}"

    def _only(
        self, request: HttpRequest, extra_context: dict[str, Any] | None
    ) -> HttpResponse:
        """The page of the one there is; to whoever may make none, the empty list."""
        chosen = self.model.objects.first()
        if chosen is None:
            page: HttpResponse = super().changelist_view(request, extra_context)
            return page
        return HttpResponseRedirect(reverse(f"{self._name}_change", args=[chosen.pk]))


class WithoutTransaction(_ModelAdmin):
    """A form that asks the network: not while a transaction is open.

    Stands last among the bases; what is saved, a verb saves in its own transaction.
    """

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        return self._changeform_view(  # type: ignore[attr-defined]
            request, object_id, form_url, extra_context
        )


class ShownOnly(_ModelAdmin):
    """Written by verbs alone; an edit here would skip what they do."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: models.Model | None = None
    ) -> bool:
        return False
