"""The addresses of this room's part of the API, below ``/api/v1/``."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import URLPattern, path

from labeling.api import (
    assignments,
    auth,
    categories,
    exports,
    grid,
    images,
    labels,
    lifetime,
    oversight,
    projects,
    schema,
    surveys,
    tasks,
    workers,
)
from labeling.api.extensions import ProjectExtension

# Imported for what it tells drf-spectacular of our keys.
SECURITY = schema.ApiKeyScheme


def routes(extensions: Sequence[ProjectExtension]) -> list[URLPattern]:
    """All addresses; ``extensions`` are the fields of a project that other rooms keep."""
    extensions = tuple(extensions)
    of = "projects/<slug:slug>/"
    return [
        path("auth/token/", auth.TokenView.as_view()),
        path("projects/", projects.ProjectListView.as_view(extensions=extensions), name="api-projects"),
        path(of, projects.ProjectDetailView.as_view(extensions=extensions), name="api-project"),
        path(f"{of}copy/", lifetime.ProjectCopyView.as_view(extensions=extensions)),
        path(f"{of}archive/", lifetime.ProjectArchiveView.as_view(extensions=extensions)),
        path(f"{of}reopen/", lifetime.ProjectReopenView.as_view()),
        path(f"{of}hand-over/", lifetime.ProjectHandOverView.as_view()),
        *_surveys(of),
        *_categories(f"{of}categories/"),
        path(f"{of}images/", images.ImageListView.as_view(), name="api-images"),
        path(f"{of}images/<int:image_id>/", images.ImageDetailView.as_view()),
        path(f"{of}jobs/", images.JobListView.as_view()),
        path("jobs/<uuid:job_id>/", images.JobView.as_view(), name="api-job"),
        path("jobs/<uuid:job_id>/refused/", images.JobRefusedView.as_view()),
        path("jobs/<uuid:job_id>/cancel/", images.JobCancelView.as_view(), name="api-job-cancel"),
        path(f"{of}tasks/", tasks.TaskListView.as_view(), name="api-tasks"),
        path(f"{of}tasks/change/", tasks.TaskChangeView.as_view(), name="api-tasks-change"),
        path(f"{of}tasks/box-golds/", tasks.BoxGoldsView.as_view()),
        *_task("tasks/<int:task_id>/"),
        path(f"{of}judgments/", tasks.JudgmentListView.as_view()),
        path(f"{of}judgments/import/", tasks.JudgmentImportView.as_view()),
        path(f"{of}judgments/undo/", assignments.UndoView.as_view(), name="api-undo"),
        path(f"{of}assignments/", assignments.AssignmentListView.as_view(), name="api-claim"),
        *_lease("assignments/<uuid:assignment_id>/"),
        path(f"{of}workers/", workers.WorkerListView.as_view()),
        path(f"{of}workers/<str:username>/", workers.WorkerView.as_view()),
        path(f"{of}standing/", workers.StandingView.as_view()),
        path(f"{of}invite/", workers.InviteView.as_view()),
        path("invitations/<str:invite>/", workers.JoinView.as_view()),
        path(f"{of}grid/", grid.GridView.as_view()),
        *_oversight(of),
        path(f"{of}earnings/", oversight.EarningsView.as_view(), name="api-earnings"),
        path(f"{of}labels/", labels.LabelListView.as_view(), name="api-labels"),
        path(f"{of}labels/import/", exports.LabelImportView.as_view(), name="api-labels-import"),
        path(f"{of}exports/", exports.ExportView.as_view(), name="api-exports"),
        path(f"{of}stats/", labels.StatsView.as_view(), name="api-stats"),
    ]


def _surveys(of: str) -> list[URLPattern]:
    return [
        path("survey/schema/", surveys.WrittenSchemaView.as_view(), name="api-survey-schema"),
        path(f"{of}survey/schema/", surveys.SurveySchemaView.as_view()),
    ]


def _categories(all_of_them: str) -> list[URLPattern]:
    one = f"{all_of_them}<int:category_id>/"
    return [
        path(all_of_them, categories.CategoryListView.as_view(), name="api-categories"),
        path(one, categories.CategoryView.as_view()),
        path(f"{one}examples/", categories.ExampleListView.as_view()),
        path(f"{one}examples/<int:example_id>/", categories.ExampleView.as_view()),
    ]


def _task(one: str) -> list[URLPattern]:
    return [
        path(one, tasks.TaskView.as_view()),
        path(f"{one}gold/", tasks.TaskGoldView.as_view()),
        path(f"{one}decide/", tasks.TaskDecideView.as_view()),
        path(f"{one}reopen/", tasks.TaskReopenView.as_view()),
        path(f"{one}retire/", tasks.TaskRetireView.as_view()),
        path(f"{one}provenance/", tasks.TaskProvenanceView.as_view()),
    ]


def _lease(one: str) -> list[URLPattern]:
    return [
        path(one, assignments.AssignmentView.as_view()),
        path(f"{one}judgment/", assignments.SubmitView.as_view(), name="api-submit"),
        path(f"{one}skip/", assignments.SkipView.as_view(), name="api-skip"),
        path(f"{one}release/", assignments.ReleaseView.as_view(), name="api-release"),
    ]


def _oversight(of: str) -> list[URLPattern]:
    return [
        path(f"{of}rules/", oversight.RuleListView.as_view()),
        path(f"{of}rules/<int:rule_id>/", oversight.RuleView.as_view()),
        path(f"{of}webhooks/", oversight.WebhookListView.as_view()),
        path(f"{of}webhooks/<int:webhook_id>/", oversight.WebhookView.as_view()),
        path(f"{of}webhooks/<int:webhook_id>/secret/", oversight.WebhookSecretView.as_view()),
        path(f"{of}webhooks/<int:webhook_id>/send-again/", oversight.WebhookSendAgainView.as_view()),
        path(f"{of}audit/", oversight.AuditListView.as_view()),
        path(f"{of}appeals/", oversight.AppealListView.as_view()),
        path(f"{of}appeals/<int:appeal_id>/", oversight.AppealView.as_view()),
    ]
