"""Threads: the list, and one page for each that reads as a conversation."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
)
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.crypto import get_random_string
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.forms import ActionForm
from unfold.widgets import UnfoldAdminTextInputWidget

from threads.admin import columns, refusals
from threads.admin.base import ReadOnlyAdmin
from threads.admin.lists import (
    QUEUES,
    AssigneeFilter,
    NewestFirst,
    QueueFilter,
    search,
)
from threads.admin.page import page_of
from threads.admin.verbs import TYPED, VERBS, actor_of, person, thread_named
from threads.errors import RefusedError
from threads.lifecycle import Changes, change
from threads.models import Thread
from webhooks.admin.base import CappedPaginator

# One verb call a thread: more than these is work for the API.
MOST_AT_ONCE = 200
_FAILURES_NAMED = 5
# What a line of the list says: never the newest message's text with it.
_SHOWN = (
    *("public_id", "subject", "status", "priority", "message_count"),
    *("last_message_at", "last_message__direction", "mailbox__address"),
    *("customer__name", "customer__address"),
    *("assignee__email", "assignee__first_name", "assignee__last_name"),
)
_FOUND = 20
# As Django's lists name it in the links to their rows.
_KEPT = "_changelist_filters"
_LONGEST_FILTERS = 2_000


class ThreadActionForm(ActionForm):  # type: ignore[misc]
    tag = forms.CharField(
        label="",
        required=False,
        max_length=50,
        widget=UnfoldAdminTextInputWidget(
            {"placeholder": gettext_lazy("tag"), "class": "bulk-tag"}
        ),
    )


@admin.register(Thread)
class ThreadAdmin(ReadOnlyAdmin):
    list_display = (
        columns.who,
        columns.what,
        columns.to_mailbox,
        columns.state,
        columns.whose,
        columns.tagged,
        columns.age,
    )
    list_display_links = (columns.what,)
    list_filter = (
        *(QueueFilter, "status", "mailbox", ("assignee", AssigneeFilter)),
        *("priority", "tags"),
    )
    list_select_related = ("customer", "mailbox", "assignee", "last_message")
    list_before_template = "admin/threads/tabs.html"
    list_per_page = 40
    list_disable_select_all = True
    sortable_by = ()
    search_fields = ("subject",)
    search_help_text = gettext_lazy("Subject, customer or Message-ID")
    show_full_result_count = False
    # Each number would be a count of the whole table.
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    action_form = ThreadActionForm
    actions: ClassVar = ["close_threads", "assign_to_me", "mark_as_spam", "add_tag"]

    class Media:
        css: ClassVar = {"all": ["threads/conversation.css"]}

    # --- The list -----------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        threads: QuerySet[Any] = super().get_queryset(request)
        standing = threads.filter(last_message__isnull=False)
        return standing.only(*_SHOWN).prefetch_related("tags")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        queue = request.GET.get("queue", "")
        tabs = [*QUEUES, ("", _("All"))]
        shown = [(value, label, value == queue) for value, label in tabs]
        return super().changelist_view(
            request, {**(extra_context or {}), "queues": shown}
        )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return NewestFirst

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return search(queryset, search_term), False

    # --- Several at once -------------------------------------------------------------

    @admin.action(description=gettext_lazy("Close thread"), permissions=["act"])
    def close_threads(self, request: HttpRequest, queryset: QuerySet[Thread]) -> None:
        self._each(request, queryset, Changes(status=Thread.Status.CLOSED))

    @admin.action(description=gettext_lazy("Assign to me"), permissions=["act"])
    def assign_to_me(self, request: HttpRequest, queryset: QuerySet[Thread]) -> None:
        self._each(request, queryset, Changes(assignee=person(request)))

    @admin.action(description=gettext_lazy("Mark as spam"), permissions=["act"])
    def mark_as_spam(self, request: HttpRequest, queryset: QuerySet[Thread]) -> None:
        self._each(request, queryset, Changes(status=Thread.Status.SPAM))

    @admin.action(description=gettext_lazy("Add tag"), permissions=["act"])
    def add_tag(self, request: HttpRequest, queryset: QuerySet[Thread]) -> None:
        tag = request.POST.get("tag", "").strip()
        if not tag:
            messages.error(request, _("Write the tag beside the action."))
            return
        self._each(request, queryset, Changes(add_tags=[tag]))

    def _each(
        self, request: HttpRequest, queryset: QuerySet[Thread], changes: Changes
    ) -> None:
        """One verb call for each; what is refused is named and stops no other."""
        done, failures = 0, []
        for thread in queryset.order_by("-last_message_id")[:MOST_AT_ONCE]:
            try:
                change(thread.pk, actor=actor_of(request), changes=changes)
            except RefusedError as error:
                failures.append(f"{thread}: {refusals.said(error)}")
            else:
                done += 1
        if done:
            messages.success(
                request,
                ngettext(
                    "%(count)d thread changed.", "%(count)d threads changed.", done
                )
                % {"count": done},
            )
        elif not failures:
            messages.warning(
                request,
                _("Nothing changed: what you chose is no longer in this list."),
            )
        for failure in failures[:_FAILURES_NAMED]:
            messages.error(request, failure)
        if len(failures) > _FAILURES_NAMED:
            rest = len(failures) - _FAILURES_NAMED
            messages.error(request, _("And %(count)d more.") % {"count": rest})

    # --- One thread -------------------------------------------------------------------

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whoever may change threads may press the buttons; forms are for nobody."""
        return request.user.has_perm("threads.change_thread")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path(
                "<str:thread_id>/do/<slug:verb>/",
                view(self.do),
                name="threads_thread_do",
            ),
            path(
                "<str:thread_id>/merge/",
                view(self.choose_merge),
                name="threads_thread_merge",
            ),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        thread = self._thread(request, object_id)
        if thread.merged_into is not None:
            return redirect(_address(thread.merged_into))
        return self._page(request, thread)

    def do(self, request: HttpRequest, thread_id: str, verb: str) -> HttpResponse:
        """A button of the page: one verb, then the page again."""
        thread = self._thread(request, thread_id)
        if request.method != "POST":
            # Who had to log in first comes by this address.
            return redirect(_address(thread))
        if not self.has_act_permission(request):
            raise PermissionDenied
        if verb not in VERBS:
            raise Http404
        try:
            said = VERBS[verb](request, thread)
        except RefusedError as error:
            messages.error(request, refusals.said(error))
            if verb in TYPED:
                return self._page(request, thread, typed=request.POST, status=422)
            return redirect(_address(thread, **{_KEPT: _filters(request)}))
        messages.success(request, said)
        thread.refresh_from_db(fields=["merged_into"])
        sent = verb if verb in TYPED else ""
        stays = thread.merged_into or thread
        return redirect(_address(stays, sent=sent, **{_KEPT: _filters(request)}))

    def choose_merge(self, request: HttpRequest, thread_id: str) -> HttpResponse:
        """Which thread it is part of: the customer's own first, or what one seeks."""
        thread = self._thread(request, thread_id)
        if not self.has_act_permission(request):
            raise PermissionDenied
        asked = request.GET.get("q", "").strip()
        others = (
            Thread.objects.standing()
            .filter(mailbox=thread.mailbox)
            .exclude(pk=thread.pk)
            .select_related("customer", "assignee")
            .order_by("-last_message_id")
        )
        found = (
            _meant(others, asked) if asked else others.filter(customer=thread.customer)
        )
        return TemplateResponse(
            request,
            "admin/threads/thread/merge.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": _("Merge"),
                "thread": thread,
                "asked": asked,
                "found": found[:_FOUND],
            },
        )

    def _thread(self, request: HttpRequest, public_id: str) -> Thread:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = (
            Thread.objects.select_related(
                "mailbox", "assignee", "team", "customer", "merged_into"
            )
            .filter(public_id=public_id, deleted_at=None)
            .first()
        )
        if found is None:
            raise Http404
        return found

    def _page(
        self,
        request: HttpRequest,
        thread: Thread,
        *,
        typed: Any = None,
        status: int = 200,
    ) -> HttpResponse:
        shown = page_of(thread, request.GET.get("before", "")[:32])
        back = _filters(request)
        return TemplateResponse(
            request,
            "admin/threads/thread/conversation.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": str(thread),
                "page": shown,
                "thread": thread,
                "back": back,
                "kept": f"?{urlencode({_KEPT: back})}" if back else "",
                "typed": typed or {},
                "once": (typed or {}).get("once") or get_random_string(32),
                "sent": request.GET.get("sent", ""),
                "may_act": self.has_act_permission(request),
                "priorities": Thread.Priority.choices,
            },
            status=status,
        )


def _meant(threads: QuerySet[Thread], asked: str) -> QuerySet[Thread]:
    """By an id, also within the address of its page; else what is sought."""
    named = thread_named(asked)
    return threads.filter(pk=named.pk) if named else search(threads, asked)


def _filters(request: HttpRequest) -> str:
    """Of the list that the person came from, and goes back to."""
    return request.GET.get(_KEPT, "")[:_LONGEST_FILTERS]


def _address(thread: Thread, **query: str) -> str:
    url = reverse("admin:threads_thread_change", args=[thread.public_id])
    given = urlencode({name: value for name, value in query.items() if value})
    return f"{url}?{given}" if given else url
