"""Tiny pictures with a known truth, and projects whose crowd has labeled them already."""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image as Pillow
from PIL import ImageDraw

from labeling.models import Consensus, Image, Project, Task
from labeling.services import create_project

SHAPES = ("circle", "square", "triangle")


@functools.cache
def draw(kind: str, seed: int, size: int = 64) -> bytes:
    """One PNG: the shape in its kind's colours, in a random place on a noisy ground."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 256, 3) * 0.5 + rng.normal(0, 6, (size, size, 3)) + 40
    picture = Pillow.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    warm = kind == "circle"
    colour = tuple(
        int(value)
        for value in rng.integers((200, 90, 0) if warm else (0, 90, 200), (256, 160, 60) if warm else (60, 160, 256))
    )
    x, y, r = (*rng.integers(22, 42, 2), int(rng.integers(12, 19)))
    if kind == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif kind == "square":
        pen.rectangle((x - r, y - r, x + r, y + r), fill=colour)
    else:
        pen.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=colour)
    return png(picture)


def png(picture: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def make_project(
    slug: str = "shapes",
    categories: Sequence[str] = SHAPES[:2],
    *,
    kind: str = "single_choice",
    user: Any = None,
    **fields: Any,
) -> Project:
    user = user or get_user_model().objects.get_or_create(username=f"owner-of-{slug}")[0]
    named = [{"key": key, "name": key.title()} for key in categories]
    questions = [{"key": "what", "kind": kind, "prompt": "What is it?"}]
    return create_project(owner=user, name=slug, categories=named, questions=questions, **fields)


def add_image(project: Project, data: bytes, name: str = "image.png") -> Image:
    return add_images(project, {name: data})[0]


def add_images(project: Project, files: Mapping[str, bytes]) -> list[Image]:
    made = [stored_image(project, data, name) for name, data in files.items()]
    Project.objects.filter(pk=project.pk).update(image_count=project.image_count + len(made))
    project.image_count += len(made)
    return Image.objects.bulk_create(made)


def stored_image(project: Project, data: bytes, name: str) -> Image:
    sha256 = hashlib.sha256(data).hexdigest()
    stored = default_storage.save(f"{project.pk}/{sha256}.png", ContentFile(data))
    return Image(
        project=project,
        sha256=sha256,
        name=name,
        width=64,
        height=64,
        byte_count=len(data),
        original=stored,
        display=stored,
        thumbnail=stored,
    )


def label(image: Image, category: str, **said: Any) -> Consensus:
    """The crowd's final word on an image."""
    return label_all([(image, category)], **said)[0]


def label_all(
    truth: Sequence[tuple[Image, str]],
    *,
    confidence: float = 0.97,
    posterior: dict[str, float] | None = None,
    judgments: int = 3,
    is_final: bool = True,
) -> list[Consensus]:
    """The crowd's final words on images of one project."""
    project = truth[0][0].project
    question = project.primary_question()
    assert question is not None
    tasks = Task.objects.bulk_create(
        Task(
            project=project,
            image=image,
            state="retired" if is_final else "open",
            retired_because="confident" if is_final else "",
            wanted=judgments,
            judgment_count=judgments,
            open_slots=0,
        )
        for image, _category in truth
    )
    retired = len(tasks) * is_final
    Project.objects.filter(pk=project.pk).update(retired_count=project.retired_count + retired)
    project.retired_count += retired
    return Consensus.objects.bulk_create(
        Consensus(
            task=task,
            project=project,
            question=question,
            answer=category,
            confidence=confidence,
            posterior=posterior or {category: confidence},
            method="adaptive",
            judgment_count=judgments,
            is_final=is_final,
        )
        for task, (_image, category) in zip(tasks, truth, strict=True)
    )


def labeled_project(
    slug: str = "shapes",
    *,
    count: int = 60,
    categories: Sequence[str] = SHAPES[:2],
    drawn: Callable[[str, int], bytes] = draw,
    **fields: Any,
) -> Project:
    """``count`` drawn images, the categories in turn, each labeled rightly by three."""
    project = make_project(slug, categories, **fields)
    kinds = [categories[seed % len(categories)] for seed in range(count)]
    images = add_images(project, {f"{seed:03}-{kind}.png": drawn(kind, seed) for seed, kind in enumerate(kinds)})
    label_all(list(zip(images, kinds, strict=True)))
    return project
