"""The page that looks into a version."""

from __future__ import annotations

import re
from html import unescape

from django.conf import settings
from django.core.cache import cache
from django.core.files.storage import default_storage
from django.test import Client

from training.features import answers, insights
from training.models import ModelVersion, SnapshotItem


def test_insights_show_neighbours_of_an_image(owner: Client, version: ModelVersion) -> None:
    page = owner.get("/projects/shapes/training/insights/").content.decode()

    assert "Nearest labeled images" in page
    assert "Why " in page
    pictures = re.findall(r'src="(/projects/shapes/training/insights/[^"]+)"', page)
    assert len(pictures) >= 5
    for address in pictures:
        answer = owner.get(address)
        assert (answer.status_code, answer.content[:4]) == (200, b"\x89PNG")
    assert owner.get(pictures[0].replace("heat", "secret")).status_code == 404
    assert "Labels that it doubts" in page
    assert "images that it had never seen." in page
    (index,) = insights.pictures_folder().glob(f"*/*/{version.pk}/index.json")
    for damage in (lambda: index.write_bytes(index.read_bytes()[:50]), index.with_name("filters.png").unlink):
        damage()
        assert owner.get("/projects/shapes/training/insights/").status_code == 200
        assert [owner.get(address).status_code for address in pictures] == [200] * len(pictures)


def test_insights_say_why_no_layer_can_be_shown(owner: Client, version: ModelVersion) -> None:
    gone, other = version.project.images.order_by("id")[:2]
    default_storage.delete(gone.original)
    unreadable = owner.get(f"/projects/shapes/training/insights/?image={gone.pk}")
    (settings.DATA_DIR / version.artifact / "head.npz").write_bytes(b"x")
    answers._load.cache_clear()
    damaged = owner.get(f"/projects/shapes/training/insights/?image={other.pk}")

    assert (unreadable.status_code, damaged.status_code) == (200, 200)
    assert f"{gone.name} cannot be read" in unreadable.content.decode()
    assert "is not the file that the training run wrote" in damaged.content.decode()


def test_a_cell_of_the_confusion_matrix_leads_to_the_images_behind_it(owner: Client, version: ModelVersion) -> None:
    page = owner.get(f"/projects/shapes/models/{version.number}/").content.decode()
    links = [unescape(link) for link in re.findall(r'href="(/projects/shapes/models/1/held-out/[^"]+)"', page)]
    cells = [count for row in version.metrics["confusion"] for count in row if count]
    assert len(links) == len(cells)
    rightly = []
    for link, count in zip(links, cells, strict=True):
        label = link.partition("label=")[2].partition("&")[0]
        shown = re.findall(r"/projects/shapes/images/(\d+)/", owner.get(link).content.decode())
        assert len(shown) == count
        items = SnapshotItem.objects.filter(snapshot=version.run.snapshot, split="test", image__in=shown)
        assert set(items.values_list("label", flat=True)) == {label}
        assert items.count() == count
        if link.endswith(f"said={label}"):
            rightly.append((label, shown[0]))
    (one, first), (other, second) = rightly[:2]
    for pk, label in ((first, other), (second, one)):
        SnapshotItem.objects.filter(snapshot=version.run.snapshot, image=pk).update(label=label)
    cache.clear()
    mixed_up = owner.get(f"/projects/shapes/models/1/held-out/?label={one}&said={other}").content.decode()
    assert f'href="?label={other}&amp;said={one}">The other way round: ' in mixed_up
    assert owner.get("/projects/shapes/models/1/held-out/?label=circle&said=horse").status_code == 404
    (settings.DATA_DIR / version.artifact / "head.npz").write_bytes(b"x")
    answers._load.cache_clear()
    cache.clear()
    assert "is not the file that the training run wrote" in owner.get(links[0]).content.decode()
