"""``explain/`` as a program sees it: where a version looked."""

from __future__ import annotations

import io

import pytest
from PIL import Image as Picture

from inference.engine import runtime
from inference.engine.routing import VersionRef
from inference.explain import explaining
from inference.explain.picture import overlay
from labeling.files import storage
from labeling.files.imaging import pixels
from tests.inference.serving import CATEGORIES, make_head, make_trunk, picture
from tests.inference.test_api import EXPLAIN, data_url, store, upload
from training.learning.occlusion import occlusion


def test_the_heat_map_is_a_png_of_the_image_and_names_its_category(api, champion) -> None:
    response = api.post(EXPLAIN, {"image": upload(picture(1, (80, 40)))}, format="multipart")
    assert response.status_code == 200
    assert response["Content-Type"] == "image/png"
    assert response["X-Category"] in CATEGORIES
    drawn = Picture.open(io.BytesIO(response.content))
    assert drawn.size == (80, 40)


def test_features_of_several_layers_are_explained_by_hiding_parts(api, add_version, data_dir) -> None:
    make_trunk(data_dir / "trunks", "wide-0000", layers=2)
    add_version(alias="champion", trunk="wide-0000", head=make_head(1, dim=24))
    response = api.post(EXPLAIN, {"image": upload(picture(1, (80, 40)))}, format="multipart")
    assert (response.status_code, response["Content-Type"]) == (200, "image/png")
    assert response["X-Category"] in CATEGORIES


def test_features_that_are_mixed_after_the_pooling_are_explained_by_hiding_parts(api, add_version, data_dir) -> None:
    """An imported network may end in a dense layer: as many features as maps, and none is one map's average."""
    make_trunk(data_dir / "trunks", "mixed-0000", mixed=True)
    version, data = VersionRef.of(add_version(alias="champion", trunk="mixed-0000")), picture(1, (80, 40))
    answer = api.post(EXPLAIN, {"image": upload(data), "category": "red"}, format="multipart")
    engine = runtime.engine()
    classifier, trunk = engine.classifier(version), engine.trunk("mixed-0000")
    heat = occlusion(pixels(data, trunk.size), lambda x: classifier.probabilities_from_features(trunk.embed(x))[:, 2])
    assert answer.content == overlay(explaining.decoded(data, trunk.size), heat, longest=explaining.LONGEST)


def test_a_heat_map_of_json_and_of_a_stored_image_is_that_of_the_upload(
    api, champion, project, settings, tmp_path
) -> None:
    data = picture(1, (80, 40))
    image = store(project, data)
    sent = api.post(EXPLAIN, {"image": upload(data), "category": "red"}, format="multipart")
    for given in (
        {"image": data_url(data)}, {"image": {"id": image.pk}}, {"images": [data_url(data)]},
    ):  # fmt: skip
        answer = api.post(EXPLAIN, {**given, "category": "red"}, format="json")
        assert (answer.status_code, answer["X-Category"]) == (200, "red")
        assert answer.content == sent.content
    for wrong in ({}, {"image": None}, [data_url(data)], {"image": data_url(data), "category": ["red"]}):
        assert api.post(EXPLAIN, wrong, format="json").status_code == 400
    storage.default_storage.delete(image.original)
    blocked = tmp_path / "a file where a folder should be"
    blocked.write_text("")
    for media in (settings.MEDIA_ROOT, str(blocked)):
        settings.MEDIA_ROOT = media
        gone = api.post(EXPLAIN, {"image": {"id": image.pk}}, format="json")
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "missing_file")


def test_no_map_of_a_stored_image_is_drawn_for_a_key_that_may_not_see_it(client_of, owner, champion, project) -> None:
    given = {"image": {"id": store(project, picture(1)).pk}}
    codes = {scopes: client_of(owner, scopes=scopes).post(EXPLAIN, given, format="json").status_code
             for scopes in (("predict",), ("predict", "label"), ("predict", "manage"))}  # fmt: skip
    assert list(codes.values()) == [403, 200, 200]
    own = client_of(owner, scopes=("predict",)).post(EXPLAIN, {"image": data_url(picture(1))}, format="json")
    assert own.status_code == 200


@pytest.mark.parametrize("accepted", ["image/png", "image/*", "application/json", "text/html"])
def test_a_heat_map_is_given_and_refused_whatever_the_caller_accepts(api, champion, accepted: str) -> None:
    headers = {"Accept": accepted}
    answer = api.post(EXPLAIN, {"image": upload(picture())}, format="multipart", headers=headers)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    refused = api.post(EXPLAIN, {"image": upload(b"no picture")}, format="multipart", headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "not_an_image")


def test_a_heat_map_of_a_category_that_the_version_does_not_know_is_refused(api, champion) -> None:
    response = api.post(EXPLAIN, {"image": upload(picture()), "category": "purple"}, format="multipart")
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "no_such_category"
    assert list(response.json()["error"]["fields"]) == ["category"]


def test_a_heat_map_of_two_images_is_refused_and_not_one_of_the_first(api, champion) -> None:
    answer = api.post(EXPLAIN, {"image": [upload(picture(1)), upload(picture(2))]}, format="multipart")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "too_many_images")
