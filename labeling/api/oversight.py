"""What an owner sets and sees to: rules, webhooks, appeals, the audit log, and the earnings of workers."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import services, webhooks
from labeling.accounts import earnings, people
from labeling.api.base import ProjectView, existing, listing, parsed
from labeling.api.choices import Choice
from labeling.models import Appeal, AuditEntry, Project, Rule, Webhook, WebhookDelivery
from labeling.services.oversight import MOST_WINDOW
from labeling.tables import as_csv
from labeling.text.cells import plain


class RuleSerializer(serializers.ModelSerializer):
    """If <measure> over the worker's last <window> is <below | at_least> <threshold>, then <action>."""

    serializer_choice_field = Choice

    class Meta:
        model = Rule
        fields = ["id", *services.RULE_FIELDS]
        extra_kwargs = {"window": {"min_value": 1, "max_value": MOST_WINDOW}}


class RuleListView(ProjectView):
    """The rules for workers; add one."""

    rights = {"GET": "review", "POST": "manage"}

    @extend_schema(operation_id="list_rules", tags=["oversight"], **listing(RuleSerializer))
    def get(self, request: Request, slug: str) -> Response:
        return self.page(request, Rule.objects.filter(project=self.project(request, slug)), RuleSerializer)

    @extend_schema(operation_id="add_rule", tags=["oversight"], request=RuleSerializer, responses={201: RuleSerializer})
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        rule = services.add_rule(project=project, user=request.user, **parsed(RuleSerializer, request))
        return Response(RuleSerializer(rule).data, status=status.HTTP_201_CREATED)


class RuleView(ProjectView):
    """Read, change or remove a rule."""

    rights = {"GET": "review", "PATCH": "manage", "DELETE": "manage"}

    @extend_schema(operation_id="read_rule", tags=["oversight"], responses=RuleSerializer)
    def get(self, request: Request, slug: str, rule_id: int) -> Response:
        return Response(RuleSerializer(self._rule(request, slug, rule_id)).data)

    @extend_schema(operation_id="change_rule", tags=["oversight"], request=RuleSerializer, responses=RuleSerializer)
    def patch(self, request: Request, slug: str, rule_id: int) -> Response:
        rule = self._rule(request, slug, rule_id)
        values = parsed(RuleSerializer, request, instance=rule, partial=True)
        return Response(RuleSerializer(services.change_rule(rule=rule, user=request.user, **values)).data)

    @extend_schema(operation_id="remove_rule", tags=["oversight"], responses={204: None})
    def delete(self, request: Request, slug: str, rule_id: int) -> Response:
        services.remove_rule(rule=self._rule(request, slug, rule_id), user=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _rule(self, request: Request, slug: str, rule_id: int) -> Rule:
        rows = Rule.objects.filter(project=self.project(request, slug), pk=rule_id).select_related("project")
        return existing(rows, _("There is no such rule in this project."))


class WebhookSerializer(serializers.ModelSerializer):
    refused_because = serializers.SerializerMethodField(
        help_text="Why nothing will be sent there, where the address alone tells: it is not on the public internet. "
        "What only a delivery finds is told beside it."
    )

    class Meta:
        model = Webhook
        fields = ["id", "url", "secret", "events", "is_active", "refused_because", "created_at"]
        read_only_fields = ["secret", "created_at"]

    def get_refused_because(self, hook: Webhook) -> str:
        return webhooks.refused_because(hook.url)


class WebhookListView(ProjectView):
    """Programs that are told of events; add one.

    An event is a POST of `{"id", "event", "project", "created_at", …}`, `project` being the slug, and

    | event | comes when | with |
    |---|---|---|
    | `judgment.created` | somebody has answered | `judgment`, `task` |
    | `task.retired` | a task leaves the queue, and once more when a reviewer decides it anew | `task`, `because` |
    | `job.finished` | an import, an export or another job has ended | `job`, `kind`, `state`, `result` |
    | `model.champion` | another version answers | `version`, `replaced`, `reason` |

    `because` is that of the task: `confident`, `maximum`, `budget`, `person`, `gold` (its answer is known) or `model`
    (which was sure enough). A task that is opened again is told of again when it retires.

    A `url` in the `result` of a job may begin at the root of this host, and is not good for ever:
    `/api/v1/jobs/{job}/` has a whole one, made anew at each look.

    The header `X-Crowdtune-Signature: t=<unix seconds>,v1=<hex>` holds the HMAC-SHA256 of `<t>.<body>` under the
    webhook's `secret`. Answer 2xx within ten seconds; else the same `id` comes again after 10 s, 1 min, 5 min, 30 min,
    2 h and four times after 6 h, or when `Retry-After` of a 429 or 503 says (6 h at most): a receiver that is away for
    a day misses nothing. After that a delivery is given up, until it is sent again (`…/send-again/`). Events may come
    twice or in another order. The `id` is a number that grows: what has one again has come before, and of two events
    about the same task, job or classifier the one with the larger number is the newer, whatever the clock in
    `created_at` says.
    """

    rights = {"GET": "manage", "POST": "manage"}

    @extend_schema(operation_id="list_webhooks", tags=["oversight"], **listing(WebhookSerializer))
    def get(self, request: Request, slug: str) -> Response:
        return self.page(request, Webhook.objects.filter(project=self.project(request, slug)), WebhookSerializer)

    @extend_schema(
        operation_id="add_webhook", tags=["oversight"], request=WebhookSerializer, responses={201: WebhookSerializer}
    )
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        given = parsed(WebhookSerializer, request)
        hook = services.add_webhook(
            project=project,
            user=request.user,
            url=given["url"],
            events=given.get("events") or (),
            is_active=given.get("is_active", True),
        )
        return Response(WebhookSerializer(hook).data, status=status.HTTP_201_CREATED)


class DeliverySerializer(serializers.ModelSerializer):
    class Meta:
        model = WebhookDelivery
        fields = ["id", "event", "state", "attempts", "status_code", "error", "next_at", "created_at"]


def _hook(project: Project, webhook_id: int) -> Webhook:
    rows = Webhook.objects.filter(project=project, pk=webhook_id).select_related("project")
    return existing(rows, _("There is no such webhook in this project."))


class WebhookView(ProjectView):
    """A webhook's last deliveries; change or remove it, even in an archived project: its exports still send events."""

    rights = {"GET": "manage", "PATCH": "manage", "DELETE": "manage"}
    even_archived = frozenset({"PATCH", "DELETE"})

    @extend_schema(operation_id="list_deliveries", tags=["oversight"], **listing(DeliverySerializer))
    def get(self, request: Request, slug: str, webhook_id: int) -> Response:
        hook = _hook(self.project(request, slug), webhook_id)
        return self.page(request, WebhookDelivery.objects.filter(webhook=hook), DeliverySerializer)

    @extend_schema(
        operation_id="change_webhook", tags=["oversight"], request=WebhookSerializer, responses=WebhookSerializer
    )
    def patch(self, request: Request, slug: str, webhook_id: int) -> Response:
        hook = _hook(self.project(request, slug), webhook_id)
        values = parsed(WebhookSerializer, request, instance=hook, partial=True)
        return Response(WebhookSerializer(services.change_webhook(webhook=hook, user=request.user, **values)).data)

    @extend_schema(operation_id="remove_webhook", tags=["oversight"], responses={204: None})
    def delete(self, request: Request, slug: str, webhook_id: int) -> Response:
        services.remove_webhook(webhook=_hook(self.project(request, slug), webhook_id), user=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class WebhookSecretView(ProjectView):
    """Replace a webhook's secret. The new one signs all that is sent from now on, repeated deliveries too."""

    rights = {"POST": "manage"}
    even_archived = frozenset({"POST"})

    @extend_schema(operation_id="replace_webhook_secret", tags=["oversight"], request=None, responses=WebhookSerializer)
    def post(self, request: Request, slug: str, webhook_id: int) -> Response:
        hook = _hook(self.project(request, slug), webhook_id)
        return Response(WebhookSerializer(services.replace_webhook_secret(webhook=hook, user=request.user)).data)


class SendAgainSerializer(serializers.Serializer):
    delivery = serializers.IntegerField(
        required=False, allow_null=True, default=None, help_text="Its id; without one, all that were given up."
    )


class SentAgainSerializer(serializers.Serializer):
    count = serializers.IntegerField(help_text="How many deliveries are tried once more.")


class WebhookSendAgainView(ProjectView):
    """Try deliveries that were given up once more, as often as new ones."""

    rights = {"POST": "manage"}
    even_archived = frozenset({"POST"})

    @extend_schema(
        operation_id="send_again", tags=["oversight"], request=SendAgainSerializer, responses=SentAgainSerializer
    )
    def post(self, request: Request, slug: str, webhook_id: int) -> Response:
        hook = _hook(self.project(request, slug), webhook_id)
        count = services.send_again(webhook=hook, user=request.user, **parsed(SendAgainSerializer, request))
        return Response({"count": count})


class AuditSerializer(serializers.ModelSerializer):
    user: Any = serializers.SlugRelatedField("username", read_only=True, allow_null=True)

    class Meta:
        model = AuditEntry
        fields = ["id", "user", "action", "changes", "created_at"]


class AuditListView(ProjectView):
    """Who changed what, newest first."""

    rights = {"GET": "manage"}

    @extend_schema(operation_id="list_audit", tags=["oversight"], **listing(AuditSerializer))
    def get(self, request: Request, slug: str) -> Response:
        rows = AuditEntry.objects.filter(project=self.project(request, slug)).select_related("user")
        return self.page(request, rows, AuditSerializer)


class AppealSerializer(serializers.ModelSerializer):
    worker = serializers.CharField(source="membership.user.username", read_only=True)

    class Meta:
        model = Appeal
        fields = ["id", "worker", "text", "state", "answer", "created_at", "decided_at"]
        read_only_fields = ["state", "answer", "created_at", "decided_at"]


class AppealListView(ProjectView):
    """Appeals of paused workers, for managers; POST is a worker's own."""

    rights = {"GET": "manage", "POST": "label"}

    @extend_schema(operation_id="list_appeals", tags=["oversight"], **listing(AppealSerializer))
    def get(self, request: Request, slug: str) -> Response:
        rows = Appeal.objects.filter(membership__project=self.project(request, slug))
        return self.page(request, rows.select_related("membership__user"), AppealSerializer)

    @extend_schema(
        operation_id="appeal", tags=["oversight"], request=AppealSerializer, responses={201: AppealSerializer}
    )
    def post(self, request: Request, slug: str) -> Response:
        member = services.ensure_member(project=self.project(request, slug), user=request.user)
        appeal = services.appeal_pause(member=member, text=parsed(AppealSerializer, request)["text"])
        return Response(AppealSerializer(appeal).data, status=status.HTTP_201_CREATED)


class VerdictSerializer(serializers.Serializer):
    accept = serializers.BooleanField()
    answer = serializers.CharField(required=False, allow_blank=True, max_length=2000, default="")


class AppealView(ProjectView):
    """Accept an appeal (the worker goes on) or reject it."""

    rights = {"POST": "manage"}

    @extend_schema(
        operation_id="decide_appeal", tags=["oversight"], request=VerdictSerializer, responses=AppealSerializer
    )
    def post(self, request: Request, slug: str, appeal_id: int) -> Response:
        rows = Appeal.objects.filter(membership__project=self.project(request, slug), pk=appeal_id)
        rows = rows.select_related("membership__user", "membership__project")
        appeal = existing(rows, _("There is no such appeal in this project."))
        decided = services.decide_appeal(appeal=appeal, by=request.user, **parsed(VerdictSerializer, request))
        return Response(AppealSerializer(decided).data)


class EarningsView(ProjectView):
    """What each worker has earned, as CSV."""

    rights = {"GET": "manage"}

    @extend_schema(
        operation_id="read_earnings",
        tags=["oversight"],
        responses={(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, "worker, judgments, seconds, earned")},
    )
    def get(self, request: Request, slug: str) -> StreamingHttpResponse:
        project = self.project(request, slug)
        rows = list(earnings.owed(project))
        names = User.objects.in_bulk([row.user_id for row in rows])
        owed = sorted((people.name_of(names[row.user_id]), row.judgments, row.seconds, row.earned) for row in rows)
        lines = ([plain(name), judgments, round(seconds, 1), earned] for name, judgments, seconds, earned in owed)
        return as_csv(f"earnings-{slug}", [["worker", "judgments", "seconds", "earned"], *lines])
