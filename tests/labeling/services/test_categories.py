"""Categories one at a time, and the pictures that show workers what they mean: by verb, by API and on the pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from labeling import services
from labeling.errors import CrowdtuneError
from labeling.models import AuditEntry, CategoryExample, DiscardedFile, Image, Project, Task
from labeling.services import surveys
from labeling.services.categories import MOST_EXAMPLES
from labeling.surveys.guide import guide_of
from labeling.upkeep import discarding
from tests.labeling.conftest import client, picture

pytestmark = pytest.mark.django_db


def upload(seed: int = 1, name: str = "cat.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, picture(seed, (900, 600)), content_type="image/png")


def test_a_change_of_a_category_is_a_new_version_and_no_change_is_none(project: Project, owner: User) -> None:
    cat = project.categories.get(key="cat")
    changes = {"name": "Cat", "description": "Purrs.", "parent": "dog", "wordnet_id": "n02121808"}
    services.change_category(category=cat, user=owner, changes=changes)
    services.change_category(category=cat, user=owner, changes=changes)
    project.refresh_from_db()
    assert (cat.name, cat.description, cat.parent and cat.parent.key) == ("Cat", "Purrs.", "dog")
    assert project.survey_version == 2
    document = project.survey_versions.get(version=2).document
    assert document["categories"][0]["wordnet_id"] == "n02121808"


def test_a_category_that_went_while_somebody_changed_it_is_not_found(project: Project, owner: User) -> None:
    cat = project.categories.get(key="cat")
    services.replace_survey(project=project, user=owner, categories=["dog", "bird"])
    with pytest.raises(CrowdtuneError, match="no such category") as refused:
        services.change_category(category=cat, user=owner, changes={"name": "Cat"})
    assert refused.value.status == 404


def test_no_category_stands_below_itself(project: Project, owner: User) -> None:
    cat, dog = project.categories.order_by("key")
    services.change_category(category=cat, user=owner, changes={"parent": "dog"})
    with pytest.raises(CrowdtuneError, match="below itself") as refused:
        services.change_category(category=dog, user=owner, changes={"parent": "cat"})
    assert set(refused.value.fields) == {"parent"}
    with pytest.raises(CrowdtuneError, match="not a category"):
        services.change_category(category=dog, user=owner, changes={"parent": "zebra"})


def test_what_is_wrong_in_a_taxonomy_as_large_as_one_may_be_is_found_at_once(project: Project, owner: User) -> None:
    numbers = range(surveys.MOST_CATEGORIES)
    with pytest.raises(CrowdtuneError, match="'49998' is there twice"):
        surveys.checked_categories([str(min(number, 49_998)) for number in numbers])
    chain = [{"key": str(number), "parent": str(number + 1)} for number in numbers]
    with pytest.raises(CrowdtuneError, match="The parent '50000' of '49999' is not a category"):
        surveys.checked_categories(chain)


def test_an_example_is_small_upright_and_no_image_of_the_project(project: Project, owner: User) -> None:
    cat = project.categories.get(key="cat")
    images, tasks = Image.objects.count(), Task.objects.count()
    example = services.add_example(category=cat, data=picture(1, (2000, 1000)), alt="  a  cat ", user=owner)
    assert (example.width, example.height, example.alt) == (640, 320, "a cat")
    assert (Image.objects.count(), Task.objects.count()) == (images, tasks)
    again = services.add_example(category=cat, data=picture(1, (2000, 1000)), user=owner)
    assert again == example
    services.replace_survey(project=project, user=owner, categories=["dog", "cat"])
    assert CategoryExample.objects.get() == example  # a category that stays keeps its examples


def discard() -> None:
    """As the background does it, some minutes later."""
    DiscardedFile.objects.update(due_at="2020-01-01T00:00Z")
    discarding.run()


def test_the_file_of_an_example_goes_with_the_last_that_shows_it(project: Project, owner: User) -> None:
    first, second = [
        services.add_example(category=row, data=picture(1), user=owner) for row in project.categories.order_by("key")
    ]
    services.remove_example(example=first, user=owner)
    discard()
    assert default_storage.exists(second.file)
    services.remove_example(example=second, user=owner)
    discard()
    assert not default_storage.exists(second.file)


def test_the_example_files_of_a_deleted_project_go_though_another_process_is_deleting_its_rows_still(
    project: Project, owner: User
) -> None:
    file = services.add_example(category=project.categories.get(key="cat"), data=picture(1), user=owner).file
    services.delete_project(project=project)
    discarding._batch()
    assert CategoryExample.objects.exists()
    assert not default_storage.exists(file)


def test_the_examples_of_a_category_that_goes_take_their_files_with_them(project: Project, owner: User) -> None:
    cat, dog = project.categories.order_by("key")
    gone, shared = [services.add_example(category=cat, data=picture(seed), user=owner).file for seed in (1, 2)]
    services.add_example(category=dog, data=picture(2), user=owner)
    services.replace_survey(project=project, user=owner, categories=["dog"])
    discard()
    assert (default_storage.exists(gone), default_storage.exists(shared)) == (False, True)


def test_a_category_takes_a_bounded_number_of_pictures_and_nothing_else(project: Project, owner: User) -> None:
    cat = project.categories.get(key="cat")
    for seed in range(MOST_EXAMPLES):
        services.add_example(category=cat, data=picture(seed), user=owner)
    with pytest.raises(CrowdtuneError) as refused:
        services.add_example(category=cat, data=picture(99), user=owner)
    assert refused.value.code == "too_many_examples"
    with pytest.raises(CrowdtuneError) as refused:
        services.add_example(category=cat, data=b"<svg></svg>", user=owner)
    assert refused.value.code == "svg"


def test_a_program_describes_a_category_by_words_and_pictures(project: Project, owner: User, worker: User) -> None:
    api = client(owner)
    listed = api.get(f"/api/v1/projects/{project.slug}/categories/?search=cat").json()["results"][0]
    address = f"/api/v1/projects/{project.slug}/categories/{listed['id']}/"
    changed = api.patch(address, {"description": "Purrs.", "parent": "dog"}, format="json")
    assert (changed.status_code, changed.json()["parent"]) == (200, "dog")
    made = api.post(f"{address}examples/", {"image": upload(), "alt": "a cat"}, format="multipart")
    assert made.status_code == 201, made.content
    example = f"{address}examples/{made.json()['id']}/"
    assert api.patch(example, {"alt": "a black cat"}, format="json").json()["alt"] == "a black cat"
    seen = client(worker).get(address).json()
    assert [row["alt"] for row in seen["examples"]] == ["a black cat"]
    shown = Client().get(seen["examples"][0]["url"].replace("http://testserver", ""))
    assert shown.status_code == 200
    assert b"".join(shown).startswith(b"\xff\xd8")  # a JPEG; read to its end, which closes the file
    broken = api.post(f"{address}examples/", {"image": SimpleUploadedFile("x.png", b"no")}, format="multipart")
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, "not_an_image")
    assert api.delete(example).status_code == 204
    assert client(owner).get(address).json()["examples"] == []
    actions = AuditEntry.objects.filter(project=project).order_by("-id").values_list("action", flat=True)
    assert list(actions[:3]) == ["example_removed", "example_changed", "example_added"]


def test_a_worker_reads_what_the_answers_mean_before_and_while_labeling(
    project: Project, owner: User, worker: User, make_project: Callable[..., Project]
) -> None:
    assert guide_of(project) == []
    cat = project.categories.get(key="cat")
    services.change_category(category=cat, user=owner, changes={"description": "Purrs."})
    services.add_example(category=cat, data=picture(1), alt="a black cat", user=owner)
    browser = Client()
    browser.force_login(worker)
    page = browser.get(f"/label/{project.slug}/").content.decode()
    assert page.count('alt="a black cat"') == 2  # in the dialog, and for browsers without scripts
    assert "Purrs." in page
    project.memberships.filter(user=worker).delete()
    Project.objects.filter(pk=project.pk).update(access="open")
    assert 'alt="a black cat"' in browser.get(f"/label/{project.slug}/").content.decode()


def test_what_is_wrong_with_an_example_is_said_at_its_field(project: Project, owner: User) -> None:
    browser = Client()
    browser.force_login(owner)
    cat = project.categories.get(key="cat")
    address = f"/projects/{project.slug}/settings/categories/{cat.pk}/"
    refused = browser.post(f"{address}examples/", {"image": SimpleUploadedFile("x.png", b"no"), "alt": ""})
    assert refused.status_code == 400
    assert "this is none of them" in refused.content.decode()
    wrong = browser.post(address, {"name": "Cat", "parent": "zebra"})
    assert wrong.status_code == 400
    assert "is not a category" in wrong.content.decode()
