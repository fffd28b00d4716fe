"""``manage.py demo``: a project with pictures and a simulated crowd, so that the whole loop can be watched at once."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from config.demo.crowd import Crowd, SimulatedWorker
from config.demo.seed import (
    CAST,
    DemoError,
    Owner,
    Picture,
    drawn_pictures,
    own_pictures,
    read_truths,
    write_state,
    write_truths,
)
from labeling.accounts.keys import create_key
from labeling.models import ApiKey, Project

LIFETIME = timedelta(days=1)
KEY_NAME = "demo"
# Of all that the crowd could say, what it leaves for visitors.
SHARE = 0.8
STATE = "demo.json"


class Command(BaseCommand):
    help = "Seed a project and let a simulated crowd label it through the API of a running Crowdtune."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--images", type=Path, metavar="DIR", help="Your own images: one folder per category.")
        parser.add_argument("--name", help="The project's name.")
        parser.add_argument("--count", type=int, default=320, help="How many pictures to draw (default 320).")
        parser.add_argument(
            "--url", default=f"http://{settings.OWN_HOST}:{settings.PORT}", help="Where Crowdtune answers."
        )
        parser.add_argument(
            "--auto", action="store_true", help="For the supervisor: seed an empty platform, else go on with the demo."
        )

    def handle(self, **options: Any) -> None:
        folder = Path(settings.DATA_DIR) / "demo"
        try:
            state = self._known(folder) if options["auto"] else None
            if state is None:
                if options["auto"] and Project.objects.exists():
                    return
                state = self._seed(folder, options)
            if state.get("fills"):
                state = self._fill(folder, state, options)
            self._label(folder, state, options["url"])
        except DemoError as error:
            raise CommandError(str(error)) from error
        except (httpx.TransportError, OperationalError) as error:
            message = f"Crowdtune does not answer at {options['url']}: start it first, with `make run`, and let it run."
            raise CommandError(message) from error

    def _known(self, folder: Path) -> dict[str, Any] | None:
        """What an earlier start wrote down, if its project is still there."""
        file = folder / STATE
        if not file.exists():
            return None
        state = json.loads(file.read_text(encoding="utf-8"))
        return state if Project.objects.filter(slug=state["slug"]).exists() else None

    @contextlib.contextmanager
    def _owner(self, url: str) -> Iterator[Owner]:
        user = get_user_model().objects.filter(is_superuser=True).order_by("pk").first()
        if user is None:
            raise DemoError("There is no administrator yet: start Crowdtune once with `make run`.")
        ApiKey.objects.filter(name=KEY_NAME, user=user).delete()
        owner = Owner(url, create_key(user=user, name=KEY_NAME, lifetime=LIFETIME)[1])
        with owner.http:
            yield owner

    def _seed(self, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
        """A project with its crowd, still without pictures."""
        pictures = _pictures(options)
        categories = sorted({picture.truth.category for picture in pictures})
        default = options["images"].name if options["images"] else "Sea animals"
        with self._owner(options["url"]) as owner:
            slug = owner.create_project(options["name"] or default, categories)
            Project.objects.filter(slug=slug).update(is_demo=True)
            write_truths(folder / f"{slug}.csv", {picture.name: picture.truth for picture in pictures})
            owner.hire(slug, slug)
        judgments = 3 * len(pictures)
        state = {
            "slug": slug,
            "categories": categories,
            "most": int(judgments * SHARE),
            "slow_after": int(judgments * SHARE / 2),
            "fills": True,
        }
        write_state(folder / STATE, state)
        return state

    def _fill(self, folder: Path, state: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
        """Bring the pictures in, or those that an earlier start did not come to."""
        slug = state["slug"]
        with self._owner(options["url"]) as owner:
            wanted = read_truths(folder / f"{slug}.csv").keys() - owner.image_ids(slug).keys()
            pictures = [picture for picture in _pictures(options) if picture.name in wanted]
            owner.upload(slug, pictures, lambda text: self.stdout.write(text))
        state = {**state, "fills": False}
        write_state(folder / STATE, state)
        return state

    def _label(self, folder: Path, state: dict[str, Any], url: str) -> None:
        project = Project.objects.get(slug=state["slug"])
        truths = read_truths(folder / f"{project.slug}.csv")
        left = state["most"] - project.judgment_count
        if left <= 0:
            return
        self.stdout.write(f"{len(CAST)} simulated workers label {project.name}, {left} answers in all")
        with self._owner(url) as owner:
            ids = owner.image_ids(project.slug)
        crowd = Crowd(
            url=url,
            slug=project.slug,
            categories=state["categories"],
            truths={ids[name]: truth for name, truth in truths.items() if name in ids},
            most=left,
            slow_after=max(0, state["slow_after"] - project.judgment_count),
        )
        made = crowd.run(self._workers(project))
        self.stdout.write(f"{made} answers were given; the rest is for visitors")

    def _workers(self, project: Project) -> list[SimulatedWorker]:
        """The demo's workers with fresh keys: an earlier start's keys are stored only as digests."""
        names = [f"{project.slug}-{number}" for number in range(1, len(CAST) + 1)]
        users = {user.get_username(): user for user in get_user_model().objects.filter(username__in=names)}
        ApiKey.objects.filter(name=KEY_NAME, user__in=users.values()).delete()
        return [
            SimulatedWorker(name, create_key(user=users[name], name=KEY_NAME, lifetime=LIFETIME)[1], skill, seconds)
            for name, (skill, seconds) in zip(names, CAST, strict=True)
            if name in users
        ]


def _pictures(options: dict[str, Any]) -> list[Picture]:
    return own_pictures(options["images"]) if options["images"] else drawn_pictures(options["count"])
