"""How the audit of the labels that versions give stands: what the crowd said of those that it was asked to check."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import Count, Q

from inference.feedback.guarantee import SURE, has_failed, is_doubtful
from inference.models import AutoLabel, Deployment
from labeling.models import Project, Task
from training.versions.champions import champion_of_question


class Audit(NamedTuple):
    """One version's, since labeling by the model was last turned on; another's labels are another matter."""

    version: int
    wrong: int
    total: int
    bound: float

    @property
    def has_failed(self) -> bool:
        return has_failed(self.wrong, self.total, self.bound)

    @property
    def is_doubtful(self) -> bool:
        """Whether no label more is given until the audit has heard more."""
        return is_doubtful(self.wrong, self.total, self.bound)

    @property
    def fails_at_last(self) -> bool:
        """Whether it has failed if there is nothing left to ask; a single look."""
        return is_doubtful(self.wrong, self.total, self.bound, 1 - SURE)


def audits_of(project: Project, deployment: Deployment) -> list[Audit]:
    """The newest version's first."""
    judged = AutoLabel.objects.filter(project=project, is_audit=True).exclude(is_correct=None)
    if deployment.auto_label_since is not None:
        judged = judged.filter(created_at__gte=deployment.auto_label_since)
    counts = judged.values("version").annotate(total=Count("pk"), wrong=Count("pk", filter=Q(is_correct=False)))
    rows = counts.order_by("-version").values_list("version", "wrong", "total")
    return [Audit(*row, deployment.error_bound) for row in rows]


def is_paused(project: Project, deployment: Deployment) -> bool:
    """Whether the champion labels nothing until its audit has heard more."""
    version = champion_of_question(project) if deployment.auto_label else None
    return version is not None and any(
        each.is_doubtful for each in audits_of(project, deployment) if each.version == version.pk
    )


def waiting(project: Project) -> dict[int, int]:
    """Version -> images of its audit that the crowd has yet to answer."""
    rows = AutoLabel.objects.filter(project=project, is_audit=True, is_correct=None)
    counts = rows.filter(image__tasks__state=Task.State.OPEN).values("version")
    return dict(counts.annotate(images=Count("image", distinct=True)).values_list("version", "images"))
