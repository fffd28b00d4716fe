"""Which version answers a project now: one indexed query, remembered for a second.

A request asks once and keeps the answer, so all of its images are answered by one version whatever is promoted
meanwhile. The process that promotes forgets at once, so that who promoted is answered by that version; the others learn
of it within ``SECONDS``.
"""

from __future__ import annotations

import threading
import time
import zlib
from dataclasses import dataclass

from inference.errors import NoChampion
from inference.models import Deployment
from labeling.text.words import gettext as _
from training.models import ModelVersion
from training.versions import champions

SECONDS = 1.0


@dataclass(frozen=True)
class VersionRef:
    """What the engine needs of a ModelVersion row."""

    id: int
    project_id: int
    number: int
    folder: str
    categories: tuple[str, ...]

    @classmethod
    def of(cls, version: ModelVersion) -> VersionRef:
        return cls(version.pk, version.project_id, version.number, version.artifact, tuple(version.categories))


@dataclass(frozen=True)
class Route:
    """Who answers for one project, and how."""

    champion: VersionRef | None
    challenger: VersionRef | None
    mode: str
    share: float
    sample_rate: float

    def standing(self) -> VersionRef:
        """The champion, whoever asks.

        Raises:
            NoChampion: Nothing is trained yet, or nothing that is better than a guess.
        """
        if self.champion is None and self.challenger is not None:
            told = _(
                "This project has no champion yet: version %(number)s was trained and did not become it; the page"
                " Models says why. Label more images, or promote it there (programs: POST"
                " /api/v1/projects/{slug}/models/%(number)s/promote/)."
            )
            raise NoChampion(told % {"number": self.challenger.number})
        if self.champion is None:
            raise NoChampion(
                _(
                    "This project has no champion yet. Label at least a few images of each category; "
                    "training then starts by itself, or start it on the page Training (programs: POST "
                    "/api/v1/projects/{slug}/training-runs/)."
                )
            )
        return self.champion

    def choose(self, key: str) -> VersionRef:
        """The version that answers this caller; the same caller gets the same one while the share stands.

        Raises:
            NoChampion: Nothing is trained yet.
        """
        champion = self.standing()
        if self.mode == Deployment.Challenger.SHARE and self.challenger is not None:
            point = zlib.crc32(f"{self.challenger.id}:{key}".encode()) / 2**32
            if point < self.share:
                return self.challenger
        return champion

    @property
    def shares(self) -> bool:
        """Whether it matters who asks."""
        return self.mode == Deployment.Challenger.SHARE and self.challenger is not None

    @property
    def shadow(self) -> VersionRef | None:
        return self.challenger if self.mode == Deployment.Challenger.SHADOW else None


class Routes:
    """The process's memory of routes."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._routes: dict[int, tuple[float, Route]] = {}
        self._forgotten = 0  # times
        self._lock = threading.Lock()

    def get(self, project_id: int) -> Route:
        now = time.monotonic()
        known = self._routes.get(project_id)
        if known is not None and now < known[0]:
            return known[1]
        before = self._forgotten
        route = _read(project_id)
        with self._lock:
            if before == self._forgotten:  # else what was read may be what was to be forgotten
                self._routes[project_id] = (now + self.seconds, route)
        return route

    def forget(self, project_id: int | None = None) -> None:
        with self._lock:
            self._forgotten += 1
            if project_id is None:
                self._routes.clear()
            else:
                self._routes.pop(project_id, None)


def _read(project_id: int) -> Route:
    versions = {
        version.alias: version
        for version in ModelVersion.objects.filter(project_id=project_id, alias__in=ModelVersion.Alias.values)
        .select_related("run__snapshot")
        .only("id", "project_id", "number", "alias", "artifact", "categories", "run__snapshot__question")
    }
    champion, challenger = versions.get("champion"), versions.get("challenger")
    # One that learned another question than the champion neither takes a share of its callers nor agrees with it.
    if champion and challenger and challenger.question_id != champion.question_id:
        challenger = None
    deployment = Deployment.of(project_id)
    return Route(
        VersionRef.of(champion) if champion else None,
        VersionRef.of(challenger) if challenger else None,
        deployment.challenger_mode,
        deployment.challenger_share,
        deployment.sample_rate,
    )


def version_ref(project_id: int, number: int) -> VersionRef:
    """A version by its number.

    Raises:
        NoChampion: 404, there is no such version.
    """
    version = ModelVersion.objects.filter(project_id=project_id, number=number).first()
    if version is None:
        raise NoChampion(
            _("This project has no version %(number)s.") % {"number": number}, status=404, code="no_such_version"
        )
    return VersionRef.of(version)


def version_numbers(project_id: int) -> list[int]:
    """Of all versions, each of which may be asked for."""
    return list(ModelVersion.objects.filter(project=project_id).order_by("number").values_list("number", flat=True))


routes = Routes()
champions.MOVED.append(routes.forget)
