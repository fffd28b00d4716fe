"""A real crowd through the public API gives the figures that it gives offline."""

from __future__ import annotations

import pytest

from bench import replay
from bench.api import Api
from labeling.accounts import keys
from labeling.consensus import fitting
from labeling.models import Project
from tests.labeling.crowds import person

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_real_crowd_through_the_api_gives_the_offline_figures(live_server, shared_data, run_actors):
    folder = shared_data / "crowd" / "dogs"
    if not folder.exists():
        pytest.skip(f"{folder} is not there")
    crowd = replay.read(folder, 30)
    owner = person("owner")
    _, token = keys.create_key(user=owner, name="replay")
    with Api(live_server.url, token) as api:
        slug = replay.send(api, crowd, wait=lambda job: run_actors())
        project = Project.objects.get(slug=slug)
        assert project.judgment_count == len(crowd.rows)
        fitting.fit_project(project.pk)
        methods = ["majority", "one_coin", "dawid_skene", "adaptive"]
        here, there = replay.offline(crowd), replay.online(api, slug, crowd, methods)
    assert there["majority"] == pytest.approx(here["majority"])
    assert there["one_coin"] == pytest.approx(here["one_coin"])
    assert there["dawid_skene"] == pytest.approx(here["dawid_skene"])
    assert there["adaptive"] == pytest.approx(here["adaptive"], abs=2 / 30)
