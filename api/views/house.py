"""Small lists and answers: who and what there is, who is asking, is it well."""

from dataclasses import asdict
from typing import ClassVar

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from rest_framework.request import Request
from rest_framework.response import Response

from api.parameters import Parameters
from api.views.base import View, described
from threads import health
from threads.models import Mailbox, Team, User
from threads.serializers import user_json


def _list(results: list[object]) -> Response:
    return Response({"next": None, "previous": None, "results": results})


class MailboxList(View):
    scopes: ClassVar = {"GET": "threads:read"}

    @described("MailboxPage")
    def get(self, request: Request) -> Response:
        """List the mailboxes: what `mailbox` and `domain` may be."""
        Parameters(request, ())
        mailboxes = Mailbox.objects.within(self.key.domains)
        return _list(
            [
                {
                    "id": mailbox.public_id,
                    "address": mailbox.address,
                    "name": mailbox.name,
                    "aliases": [alias.address for alias in mailbox.alias_set.all()],
                    "domain": mailbox.domain,
                }
                for mailbox in mailboxes.prefetch_related("alias_set")
            ]
        )


class UserList(View):
    scopes: ClassVar = {"GET": "threads:read"}

    @described("UserPage")
    def get(self, request: Request) -> Response:
        """List the team members: what `assignee` may be."""
        Parameters(request, ())
        users = User.objects.filter(is_active=True).order_by("email")
        return _list([user_json(user) for user in users])


class TeamList(View):
    scopes: ClassVar = {"GET": "threads:read"}

    @described("TeamPage")
    def get(self, request: Request) -> Response:
        """List the teams: what `team` may be."""
        Parameters(request, ())
        return _list([{"name": team.name} for team in Team.objects.all()])


class Me(View):
    scopes: ClassVar = {"GET": ""}

    @described("Me")
    def get(self, request: Request) -> Response:
        """Read what this key is and may do."""
        Parameters(request, ())
        key = self.key
        return Response(
            {
                "name": key.name,
                "scopes": key.scopes,
                "domains": key.domains,
                "rate_limit": key.rate_limit,
            }
        )


class Health(View):
    scopes: ClassVar = {"GET": ""}

    @described("Health")
    def get(self, request: Request) -> Response:
        """Read whether the work is being done, and else why not, with 503."""
        Parameters(request, ())
        reasons = [asdict(reason) for reason in health.reasons(self.key.domains)]
        status = "degraded" if reasons else "ok"
        return Response(
            {"status": status, "reasons": reasons}, status=503 if reasons else 200
        )


def healthz(request: HttpRequest) -> JsonResponse:
    """This process and its database; public, and says nothing else."""
    del request
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"status": "database unavailable"}, status=503)
    return JsonResponse({"status": "ok"})
