"""The columns of the list of threads. What mail says is escaped: it may be hostile."""

from django.utils.html import format_html, format_html_join
from django.utils.timesince import timesince
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from threads.models import Thread


@display(description=_("customer"))  # type: ignore[untyped-decorator]
def who(thread: Thread) -> str:
    customer = thread.customer
    if customer is None:
        return "–"
    return format_html(
        '<span class="mb-who"><b>{}</b><span>{}</span></span>',
        customer.name or customer.address,
        customer.address if customer.name else "",
    )


@display(description=_("subject"))  # type: ignore[untyped-decorator]
def what(thread: Thread) -> str:
    waiting = (
        thread.status == Thread.Status.OPEN
        and thread.last_message is not None
        and thread.last_message.direction == "inbound"
    )
    return format_html(
        '<span class="mb-what{}">{}{}</span>',
        " mb-waiting" if waiting else "",
        str(thread),
        format_html(' <span class="mb-count">{}</span>', thread.message_count)
        if thread.message_count > 1
        else "",
    )


@display(description=_("mailbox"))  # type: ignore[untyped-decorator]
def to_mailbox(thread: Thread) -> str:
    return format_html('<span class="mb-quiet">{}</span>', thread.mailbox.address)


@display(  # type: ignore[untyped-decorator]
    description=_("status"),
    label={
        "open": "info",
        "pending": "warning",
        "closed": "success",
        "spam": "danger",
    },
)
def state(thread: Thread) -> tuple[str, str]:
    return thread.status, thread.get_status_display()


@display(description=_("assignee"))  # type: ignore[untyped-decorator]
def whose(thread: Thread) -> str:
    return str(thread.assignee) if thread.assignee else "–"


@display(description=_("tags"))  # type: ignore[untyped-decorator]
def tagged(thread: Thread) -> str:
    priority = thread.priority
    urgent = (
        format_html(
            '<span class="mb-tag mb-{}">{}</span> ',
            priority,
            thread.get_priority_display(),
        )
        if priority in {Thread.Priority.HIGH, Thread.Priority.URGENT}
        else ""
    )
    names = ((tag.name,) for tag in thread.tags.all())
    tags = format_html_join(" ", '<span class="mb-tag">{}</span>', names)
    none = format_html('<span class="mb-none">{}</span>', "–")
    return format_html("{}{}", urgent, tags) or none


@display(description=_("age"))  # type: ignore[untyped-decorator]
def age(thread: Thread) -> str:
    moment = thread.last_message_at
    if moment is None:
        return "–"
    return format_html(
        '<time class="mb-quiet" datetime="{}">{}</time>',
        moment.isoformat(),
        timesince(moment, depth=1),
    )
