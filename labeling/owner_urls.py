"""The owner's pages: ``/projects/…``."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from labeling.views.owner import images, jobs, labels, overview, projects, review, tasks, workers

project_pages: list[URLPattern | URLResolver] = [
    path("", overview.overview, name="project-overview"),
    path("activity/", overview.activity, name="project-activity"),
    path("images/", images.images, name="project-images"),
    path("images/add/", images.add_images, name="project-images-add"),
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
    path("labels/", labels.labels, name="project-labels"),
    path("review/", review.review, name="project-review"),
    path("review/<int:pk>/", review.decide, name="project-decide"),
    path("jobs/", jobs.job_list, name="project-jobs"),
    path("jobs/<uuid:pk>/", jobs.job, name="project-job"),
    path("jobs/<uuid:pk>/cancel/", jobs.cancel_job, name="project-job-cancel"),
]

owner_pages: list[URLPattern | URLResolver] = [
    path("projects/", projects.project_list, name="project-list"),
    path("projects/new/", projects.new_project, name="project-new"),
    path("projects/<slug:slug>/", include(project_pages)),
]
