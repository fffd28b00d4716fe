"""The owner's pages: ``/projects/…``."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from labeling.api.extensions import ProjectExtension
from labeling.views.owner import (
    categories,
    images,
    jobs,
    labels,
    lifetime,
    oversight,
    overview,
    projects,
    review,
    settings,
    survey,
    tasks,
    transfer,
    wordings,
    workers,
)

project_pages: list[URLPattern | URLResolver] = [
    path("", overview.overview, name="project-overview"),
    # As their subjects are called elsewhere: for who types an address.
    path("overview/", RedirectView.as_view(pattern_name="project-overview", http_method_names=["get", "head"])),
    path("adjudication/", RedirectView.as_view(pattern_name="project-review", http_method_names=["get", "head"])),
    path("activity/", overview.activity, name="project-activity"),
    path("images/", images.images, name="project-images"),
    path("images/add/", images.add_images, name="project-images-add"),
    path("images/change/", images.change_images, name="project-images-change"),
    path("images/delete/", images.delete_images, name="project-images-delete"),
    path("images/golds/", images.make_box_golds, name="project-box-golds"),
    path("images/<int:pk>/", images.image, name="project-image"),
    path("images/<int:pk>/delete/", images.delete_image, name="project-image-delete"),
    path("tasks/", tasks.tasks, name="project-tasks"),
    path("tasks/<int:pk>/change/", tasks.change_task, name="project-task-change"),
    path("tasks/<int:pk>/gold/", images.set_gold, name="project-task-gold"),
    path("workers/", workers.workers, name="project-workers"),
    path("workers/add/", workers.add_worker, name="project-worker-add"),
    path("workers/invite/", workers.renew_invite, name="project-invite-renew"),
    path("workers/<int:pk>/", workers.worker, name="project-worker"),
    path("workers/<int:pk>/change/", workers.change_worker, name="project-worker-change"),
    path("workers/appeals/<int:pk>/", workers.answer_appeal, name="project-appeal"),
    path("labels/", labels.labels, name="project-labels"),
    path("labels/tasks/", labels.change, name="project-labels-change"),
    path("labels/export/", transfer.export, name="project-export"),
    path("labels/import/", transfer.bring_in, name="project-labels-import"),
    path("review/", review.review, name="project-review"),
    path("review/<int:pk>/", review.decide, name="project-decide"),
    path("settings/", settings.settings, name="project-settings"),
    path("settings/survey/", survey.builder, name="project-survey"),
    path("settings/survey/preview/", survey.preview, name="project-survey-preview"),
    path("settings/survey/json/", survey.load_json, name="project-survey-json"),
    path("settings/survey/schema/", survey.schema, name="project-survey-schema"),
    path("settings/survey/languages/", wordings.wordings, name="project-languages"),
    path("settings/survey/languages/<str:code>.csv", wordings.as_csv, name="project-language-csv"),
    path("settings/categories/", categories.categories, name="project-categories"),
    path("settings/categories/<int:pk>/", categories.category, name="project-category"),
    path("settings/categories/<int:pk>/examples/", categories.add_example, name="project-category-examples"),
    path(
        "settings/categories/<int:pk>/examples/<int:example_id>/",
        categories.change_example,
        name="project-category-example",
    ),
    path("settings/rules/", oversight.rules, name="project-rules"),
    path("settings/rules/<int:pk>/", oversight.change_rule, name="project-rule-change"),
    path("settings/webhooks/", oversight.webhooks, name="project-webhooks"),
    path("settings/webhooks/<int:pk>/", oversight.change_webhook, name="project-webhook-change"),
    path("settings/log/", settings.log, name="project-log"),
    path("settings/danger/", lifetime.danger, name="project-danger"),
    path("settings/owner/", lifetime.hand_over, name="project-hand-over"),
    path("jobs/", jobs.job_list, name="project-jobs"),
    path("jobs/<uuid:pk>/", jobs.job, name="project-job"),
    path("jobs/<uuid:pk>/refused.csv", jobs.refused, name="project-job-refused"),
    path("jobs/<uuid:pk>/cancel/", jobs.cancel_job, name="project-job-cancel"),
]


def owner_pages(extensions: Sequence[ProjectExtension] = ()) -> list[URLPattern | URLResolver]:
    """All of the owner's pages; ``extensions`` are what other rooms keep of a project, and do where it is copied
    or archived."""
    of = "projects/<slug:slug>/"
    return [
        path("projects/", projects.project_list, name="project-list"),
        path("projects/new/", projects.new_project, name="project-new"),
        path(f"{of}settings/copy/", lifetime.copy, {"others": [one.copy for one in extensions]}, name="project-copy"),
        path(
            f"{of}settings/archive/",
            lifetime.archive,
            {"others": [one.archive for one in extensions]},
            name="project-archive",
        ),
        path(of, include(project_pages)),
    ]
