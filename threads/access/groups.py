"""What a team member and an administrator may do. Text, so that any room may be named.

A group's name in the database is English; `title` is what people read. `refresh` adds
what is missing and takes nothing away; rights that superusers gave stay.
"""

from typing import Any

from django.utils.text import camel_case_to_spaces, capfirst
from django.utils.translation import gettext_lazy as _

TEAM_MEMBER = "Team member"
ADMINISTRATOR = "Administrator"
_TITLES = {TEAM_MEMBER: _("team member"), ADMINISTRATOR: _("administrator")}

_VIEW = ("view",)
_EDIT = ("view", "change")
_ALL = ("view", "add", "change", "delete")

Rights = dict[tuple[str, str], tuple[str, ...]]

_TEAM_MEMBER: Rights = {
    ("threads", "Thread"): _EDIT,
    ("threads", "Message"): _EDIT,
    ("threads", "Attachment"): _VIEW,
    ("threads", "Customer"): _VIEW,
    ("threads", "Mailbox"): _VIEW,
    ("threads", "Note"): ("view", "add"),
    ("threads", "Tag"): ("view", "add"),
    ("threads", "Team"): _VIEW,
    ("webhooks", "Event"): _VIEW,
    ("webhooks", "Delivery"): _VIEW,
    ("webhooks", "Attempt"): _VIEW,
}
_ADMINISTRATOR: Rights = {
    **_TEAM_MEMBER,
    ("threads", "Mailbox"): _ALL,
    ("threads", "Alias"): _ALL,
    ("threads", "Source"): _ALL,
    ("threads", "Limits"): _ALL,
    ("threads", "IngestRecord"): _EDIT,
    ("threads", "Tag"): _ALL,
    ("threads", "Team"): _ALL,
    ("threads", "User"): _ALL,
    ("webhooks", "Webhook"): _ALL,
    ("webhooks", "Secret"): _ALL,
    ("webhooks", "Delivery"): _EDIT,
    ("webhooks", "Heartbeat"): _VIEW,
    ("webhooks", "Retention"): _ALL,
    ("api", "ApiKey"): _ALL,
}
GROUPS: dict[str, Rights] = {
    TEAM_MEMBER: _TEAM_MEMBER,
    ADMINISTRATOR: _ADMINISTRATOR,
}


def title(name: str) -> str:
    """The name of a group as people read it; one of their own making as it is."""
    return str(_TITLES.get(name, name))


_ACTIONS = {
    "view": _("view"),
    "add": _("add"),
    "change": _("change"),
    "delete": _("delete"),
}


def right(permission: Any) -> str:
    """A permission as people read it: of which rows, and what."""
    model = permission.content_type.model_class()
    action = _ACTIONS.get(permission.codename.partition("_")[0])
    if model is None or action is None:
        return str(permission)
    named = capfirst(model._meta.verbose_name_plural)  # noqa: SLF001 -- Django's name
    return f"{named}: {action}"


def refresh(apps: Any) -> None:
    """Makes the groups and gives each what it lacks.

    `apps` is the registry, of today or of a migration. Content types and permissions
    that `migrate` has not come to yet are made here, just as it would.
    """
    group_model = apps.get_model("auth", "Group")
    for name, rights in GROUPS.items():
        group = group_model.objects.get_or_create(name=name)[0]
        for (label, model), actions in rights.items():
            group.permissions.add(*_permissions(apps, label, model, actions))


def _permissions(
    apps: Any, label: str, model: str, actions: tuple[str, ...]
) -> list[Any]:
    kind = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label=label, model=model.lower()
    )[0]
    permission = apps.get_model("auth", "Permission")
    return [
        permission.objects.get_or_create(
            content_type=kind,
            codename=f"{action}_{model.lower()}",
            defaults={"name": f"Can {action} {camel_case_to_spaces(model)}"},
        )[0]
        for action in actions
    ]
