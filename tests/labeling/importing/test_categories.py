"""Which category of the project a file means: ImageNet calls them by WordNet ids, and others by their names."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from labeling import services
from labeling.models import Gold, Project
from tests.labeling.conftest import picture
from tests.labeling.importing.conftest import Import, packed

pytestmark = pytest.mark.django_db
CATEGORIES = [
    {"key": "dog", "name": "Domestic dog", "wordnet_id": "n02084071"},
    {"key": "cat", "name": "Cat", "wordnet_id": "n02121620"},
    {"key": "house-cat", "name": "Cat", "wordnet_id": "n02121620"},
]
BOX = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
FILES = {
    "imagefolder": lambda said: packed({f"ILSVRC/CLS-LOC/train/{said}/1.png": ""}),
    "voc": lambda said: packed({f"Annotations/CLS-LOC/train/{said}/1.xml": f"<annotation><filename>1</filename>"
                                f"<object><name>{said}</name>{BOX}</object></annotation>"}),
    "csv": lambda said: f"image,answer\n{said}/1.png,{said}\n".encode(),
}  # fmt: skip


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize(("said", "meant"), [("n02084071", "dog"), ("Domestic dog", "dog"), ("n02121620", None)])
def test_a_category_is_known_by_its_wordnet_id_and_name_where_only_it_has_them(
    make_project: Callable[..., Project], bring_labels: Import, form: str, said: str, meant: str | None
) -> None:
    kind = "boxes" if form == "voc" else "single_choice"
    project = make_project(images=0, categories=CATEGORIES, questions=[{"key": "q", "kind": kind, "prompt": "Which?"}])
    services.add_images(project=project, images={f"train/{said}/1.png": picture(1)})
    job = bring_labels(project, FILES[form](said), form)
    found = [gold.answers["q"] for gold in Gold.objects.all()]
    assert [answer if kind == "single_choice" else answer[0]["category"] for answer in found] == [meant] * bool(meant)
    assert [row["code"] for row in job.errors] == ["bad_answer"] * (not meant)


def test_of_two_folders_the_one_that_is_a_key_is_the_category(
    make_project: Callable[..., Project], bring_labels: Import
) -> None:
    project = make_project(images=0, categories=[{"key": "train", "name": "Trains"}, "bus"])
    services.add_images(project=project, images={"1.png": picture(1)})
    assert bring_labels(project, packed({"Trains/bus/1.png": ""}), "imagefolder").errors == []
    assert Gold.objects.get().answers["category"] == "bus"
