"""Customers: who writes to us, and every thread with them."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy

from threads.admin.base import ReadOnlyAdmin
from threads.admin.lists import NewestFirst
from threads.models import Customer, Mailbox, Thread
from webhooks.admin.base import CappedPaginator

_THREADS_SHOWN = 50
_LONGEST_SEARCH = 200


class LastSeenFirst(NewestFirst):
    column = "-pk"


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    list_display = ("address", "name", "domain", "thread_count", "created_at")
    list_per_page = 50
    sortable_by = ()
    search_fields = ("address",)
    search_help_text = gettext_lazy("Address or name")
    show_full_result_count = False
    paginator = CappedPaginator

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return LastSeenFirst

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()[:_LONGEST_SEARCH]
        if not term:
            return queryset, False
        return queryset.filter(
            Q(address__contains=term.lower()) | Q(name__icontains=term)
        ), False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Who it is, and their threads with all our domains, newest first."""
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        known = Customer.objects.filter(pk=int(object_id) if _is_key(object_id) else 0)
        customer = known.first()
        if customer is None:
            raise Http404
        # By domain, so that the index on (domain, address) finds them.
        domains = list(Mailbox.objects.values_list("domain", flat=True).distinct())
        same = Customer.objects.filter(
            domain__in={*domains, customer.domain}, address=customer.address
        )
        threads = list(
            Thread.objects.standing()
            .filter(customer__in=same)
            .select_related("mailbox", "assignee")
            .prefetch_related("tags")
            .order_by("-last_message_id")[: _THREADS_SHOWN + 1]
        )
        return TemplateResponse(
            request,
            "admin/threads/customer/customer.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": customer.name or customer.address,
                "customer": customer,
                "threads": threads[:_THREADS_SHOWN],
                "more": len(threads) > _THREADS_SHOWN,
                "newest": threads[0] if threads else None,
            },
        )


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19  # noqa: PLR2004 -- a bigint
