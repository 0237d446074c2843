"""Lists that stay quick on a hundred thousand rows: capped, keyed, indexed."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.views import ChangeList

from threads.mail.limits import message_id
from threads.models import Customer, Mailbox, Message, Thread
from webhooks.admin.base import MOST_COUNTED

_LONGEST_SEARCH = 200
QUEUES = (
    ("mine", _("My threads")),
    ("unassigned", _("Unassigned")),
    ("waiting", _("Waiting for us")),
    ("snoozed", _("Snoozed")),
)
_CUSTOMERS_FOUND = 500


class NewestFirst(ChangeList):  # type: ignore[misc]
    """Ordered by the list's one unique column, and by no other."""

    column = "-last_message_id"
    page_num: int

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        return [self.column]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        # Where the list has become shorter, its last page is what is shown.
        self.page_num = min(self.page_num, self.paginator.num_pages)
        if not self.multi_page:
            self.result_list = self.paginator.page(1).object_list

    def url_for_result(self, result: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[quote(getattr(result, "public_id", result.pk))])


class AssigneeFilter(admin.RelatedFieldListFilter):
    """Nobody is a choice with a name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.empty_value_display = SafeString(_("Unassigned"))


class QueueFilter(admin.SimpleListFilter):
    """The tabs above the list. Its choices are links there, not in the filter panel."""

    title = _("queue")
    parameter_name = "queue"
    template = "admin/threads/nothing.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(QUEUES)

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Thread]
    ) -> QuerySet[Thread]:
        status = Thread.Status
        awake = queryset.filter(
            Q(snoozed_until=None) | Q(snoozed_until__lte=timezone.now())
        )
        if self.value() == "mine":
            working = [status.OPEN, status.PENDING]
            return awake.filter(assignee=request.user.pk, status__in=working)
        if self.value() == "unassigned":
            return awake.filter(assignee=None, status=status.OPEN)
        if self.value() == "waiting":
            inbound = Message.Direction.INBOUND
            return awake.filter(status=status.OPEN, last_message__direction=inbound)
        if self.value() == "snoozed":
            return queryset.filter(snoozed_until__gt=timezone.now())
        if "status__exact" in request.GET or request.GET.get("q"):
            return queryset
        return queryset.exclude(status=status.SPAM)


def search(threads: QuerySet[Thread], term: str) -> QuerySet[Thread]:
    """With an @ a Message-ID or a customer's address; else words of the subject."""
    term = term.strip()[:_LONGEST_SEARCH]
    if not term:
        return threads
    by_id = Q(public_id=term)
    if "@" not in term:
        known = Customer.objects.filter(
            Q(name__icontains=term) | Q(address__contains=term.lower())
        )
        return threads.filter(by_id | Q(subject__icontains=term) | _of(known))
    named = Message.objects.filter(
        # Whatever mailbox: but the index begins with it.
        mailbox__in=Mailbox.objects.order_by().values("pk"),
        message_id=message_id(term),
    )
    if pks := list(named.values_list("thread", flat=True)[:MOST_COUNTED]):
        return threads.filter(pk__in=pks)
    return threads.filter(_of(Customer.objects.filter(address__contains=term.lower())))


def _of(customers: QuerySet[Customer]) -> Q:
    found = customers.order_by().values_list("pk", flat=True)[:_CUSTOMERS_FOUND]
    return Q(customer__in=list(found))
