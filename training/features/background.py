"""Worker-side: what was uploaded goes through the networks that will ask for it, before anybody does.

By the network that the next run takes, and then by the champion's, which is another one where somebody chose another,
or where the last block was retrained: it can order, suggest and label only what has gone through its own trunk. A
cursor for each project and trunk says how far.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling.errors import CrowdtuneError
from labeling.models import Image, Project
from training.features import embedding
from training.features.embedding import Picture
from training.learning.store_filling import BATCH
from training.models import EmbeddingCursor, ModelVersion, TrainingPolicy
from training.snapshots import traits
from training.zoo import choosing

if TYPE_CHECKING:
    from training.learning.networks.trunk import Trunk

LEASE = timedelta(minutes=5)
# It stops after so many images and comes back: other messages of the queue wait no longer than that.
AT_ONCE = 1_024


def embed_new_images() -> int:
    """Embed what was uploaded since the last time, project by project; returns how many images were looked at."""
    done = 0
    not_through: set[int] = set()
    for project in _with_new_images():
        try:
            key, _note = choosing.usable_backbone(TrainingPolicy.of(project).backbone, project)
            looked = _embed_project(project, embedding.trunk_of(key))
        except CrowdtuneError as error:  # its next run will say so too; the other projects need not wait for it
            embedding.tell_once(f"new images of {project.slug} are not embedded: {error.message}")
            continue
        done += looked
        if looked == AT_ONCE:
            not_through.add(project.pk)
    for champion in _champions_behind():
        # Ahead of the other network it would be taken for the furthest, which is enough.
        if champion.project_id in not_through or not _has_room(champion):
            continue
        try:
            trunk = embedding.load_trunk(str(embedding.trunks_folder() / champion.trunk))
            done += _embed_project(champion.project, trunk)
        except CrowdtuneError as error:  # the serving page tells of a trunk that is damaged
            embedding.tell_once(f"images of {champion.project.slug} do not reach its champion: {error.message}")
    return done


def reached(versions: Iterable[ModelVersion]) -> dict[int, int]:
    """The newest image that has gone through each version's own trunk in the background, 0 before the first: by id."""
    cursors = EmbeddingCursor.objects.filter(project__in=[version.project_id for version in versions])
    last = {(one.project_id, one.trunk_key): one.last_image_id for one in cursors}
    return {version.pk: last.get((version.project_id, version.manifest.get("trunk_key")), 0) for version in versions}


def see_again(version: ModelVersion, image_id: int) -> None:
    """Let the background come once more to the images from this one on, for those whose features are gone."""
    cursors = EmbeddingCursor.objects.filter(project=version.project_id, trunk_key=version.manifest["trunk_key"])
    cursors.filter(last_image_id__gte=image_id).update(last_image_id=image_id - 1)


def _with_new_images() -> Iterable[Project]:
    """Projects whose newest image has not passed the furthest cursor yet."""
    newest = Image.objects.filter(project=OuterRef("pk")).order_by("-id").values("id")[:1]
    cursor = (
        EmbeddingCursor.objects.filter(project=OuterRef("pk")).order_by("-last_image_id").values("last_image_id")[:1]
    )
    rows = (
        Project.objects.at_work()
        .filter(image_count__gt=0)
        .annotate(newest=Subquery(newest), reached=Coalesce(Subquery(cursor), 0))
    )
    return rows.filter(newest__gt=F("reached")).order_by("id")


def _champions_behind() -> QuerySet[ModelVersion, Any]:
    """Champions whose own ``trunk``, its key, has not seen their project's newest image."""
    newest = Image.objects.filter(project=OuterRef("project")).order_by("-id").values("id")[:1]
    cursor = EmbeddingCursor.objects.filter(project=OuterRef("project"), trunk_key=OuterRef("trunk"))
    rows = (
        ModelVersion.objects.of_primary_question()
        .champions()
        .filter(project__in=Project.objects.at_work())
        .annotate(trunk=KT("manifest__trunk_key"), newest=Subquery(newest))
        .annotate(reached=Coalesce(Subquery(cursor.values("last_image_id")), 0))
    )
    return rows.filter(newest__gt=F("reached")).slim().select_related("project").order_by("project")


def _has_room(champion: Any) -> bool:
    """Whether the whole pool leaves half of the store to others: what stands before a retrained block may have a
    hundred thousand numbers an image, and would push out what every project's training and scoring read.

    By the trunk's facts: to load network after network, only to put each away, would keep a core busy.
    """
    facts = embedding.facts_of(champion.trunk)
    return facts is None or 4 * facts["dim"] * champion.project.image_count <= settings.FEATURES_GB << 29


def is_left_out(project: Project) -> bool:
    """Whether the champion cannot order the project's images, since the store has no room for what it sees in them."""
    return any(not _has_room(champion) for champion in _champions_behind().filter(project=project))


def _embed_project(project: Project, trunk: Trunk) -> int:
    """One lease at a time per project and trunk; a lost lease ends by its time."""
    EmbeddingCursor.objects.get_or_create(project=project, trunk_key=trunk.key)
    mine = EmbeddingCursor.objects.filter(project=project, trunk_key=trunk.key)
    # A lease that ends so much later than one that begins now is of a clock that was set back since.
    free = Q(busy_until__lte=timezone.now()) | Q(busy_until__gt=timezone.now() + 2 * LEASE)
    if not mine.filter(free).update(busy_until=timezone.now() + LEASE):
        return 0
    try:
        after = mine.values_list("last_image_id", flat=True).get()
        images = list(Image.objects.filter(project=project, id__gt=after).order_by("id")[:AT_ONCE])
        for start in range(0, len(images), 4 * BATCH):
            part = images[start : start + 4 * BATCH]
            traits.ensure_traits(project=project, image_ids=[image.pk for image in part])
            embedding.fill(trunk, [Picture(image.sha256, image.original) for image in part])
            mine.update(last_image_id=part[-1].pk, busy_until=timezone.now() + LEASE)
        return len(images)
    finally:
        mine.update(busy_until=timezone.now())
