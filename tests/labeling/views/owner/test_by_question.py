"""Agreement and confusion of each question of a survey, on the overview and on a person's page."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from labeling import services
from labeling.consensus import fitting
from labeling.models import Consensus, Membership, Project, Question, WorkerSkill
from labeling.views.owner import by_question
from tests.labeling.conftest import person
from tests.labeling.views.owner.conftest import answered

pytestmark = pytest.mark.django_db

CHOICES = {"choices": [{"key": "red", "name": "Red"}, {"key": "blue", "name": "Blue"}]}
SURVEY: list[dict[str, Any]] = [
    {"key": "kind", "kind": "single_choice", "prompt": "Which animal?"},
    {
        "key": "collar",
        "kind": "yes_no",
        "prompt": "A collar?",
        "show_if": {"question": "kind", "equals": "dog"},
    },
    {"key": "colours", "kind": "multiple_choice", "prompt": "Which colours?", "options": CHOICES},
    {"key": "stars", "kind": "rating", "prompt": "How sharp?"},
    {"key": "legs", "kind": "number", "prompt": "How many legs?"},
    {"key": "says", "kind": "text", "prompt": "What is written?"},
    {"key": "where", "kind": "boxes", "prompt": "Where?"},
    {"key": "later", "kind": "yes_no", "prompt": "Anything else?", "required": False},
]
BOX = [{"category": "cat", "box": [2, 2, 20, 20]}]
WIDE = [{"category": "cat", "box": [2, 2, 20, 24]}]
# Three people about four pictures. In the last the crowd sees a cat, so what one said of its collar is left out.
KIND = [("dog", "dog", "dog"), ("dog", "dog", "dog"), ("cat", "cat", "cat"), ("cat", "cat", "dog")]
COLLAR = [(True, True, True), (True, True, False), (None, None, None), (None, None, False)]
COLOURS = [(["red"], ["red"], ["red"]), (["red"], ["red"], ["red", "blue"]), (["blue"],) * 3, ([], ["blue"], [])]


def said_of(image: int, one: int) -> dict[str, Any]:
    collar = COLLAR[image][one]
    return {
        "kind": KIND[image][one],
        **({} if collar is None else {"collar": collar}),
        "colours": COLOURS[image][one],
        "stars": 3 + (one == 2),
        "legs": 4 + 2 * (one == 2),
        "says": "Rex" if one < 2 else "rx",
        "where": WIDE if one == 2 else BOX,
    }


@pytest.fixture
def surveyed(make_project: Callable[..., Project]) -> Project:
    project = make_project(images=4, questions=SURVEY, judgments_min=3, confidence=0.9999)
    images = list(project.images.order_by("pk").values_list("pk", flat=True))
    for one in range(3):
        user = person(f"worker{one}")
        services.ensure_member(project=project, user=user)
        answered(project, user, lambda image, one=one: said_of(images.index(image), one))
    fitting.fit_project(project.pk)
    return project


def shown(client: Client, path: str) -> Any:
    cache.clear()
    response = client.get(path)
    assert response.status_code == 200
    return response


def bars(plot: Any) -> dict[str, str]:
    """What its rows say: name -> value."""
    return dict(re.findall(r'<tr><th scope="row" title="([^"]*)".*?class="chart-value">([^<]*)<', str(plot.body)))


def specific(answers: list[tuple[Any, ...]], category: Any) -> str:
    """Of who named the category, the share of the others that did too, counted person by person."""
    shares = [
        sum(other == category for other in (*said[:place], *said[place + 1 :])) / (len(said) - 1)
        for said in answers
        for place, one in enumerate(said)
        if one == category
    ]
    return f"{100 * sum(shares) / len(shares):.1f}"


def test_each_question_has_its_agreement_by_category_and_its_confusion(surveyed: Project, owning: Client) -> None:
    overview = f"/projects/{surveyed.slug}/"
    page = shown(owning, f"{overview}?question=collar")
    text = page.content.decode()
    assert 'id="by-category"' in text
    assert f'hx-get="{overview}activity/?question=collar"' in text  # what comes every half minute is of the same one
    assert '?question=collar#by-category" aria-current="true"' in text
    asked = COLLAR[:2]  # of the others the label is a cat, so there is no collar to tell of
    shares = bars(page.context["agreement"])
    assert {name: share.split("\u202f")[0] for name, share in shares.items()} == {
        "No": specific(asked, False),
        "Yes": specific(asked, True),
    }
    links = f"{overview}labels/?question=collar&amp;answer=yes&amp;said="
    assert f'<a href="{links}yes">5</a>' in text
    assert f'<a href="{links}no">1</a>' in text
    main = shown(owning, f"{overview}activity/")
    assert main.context["shown"].key == "kind"
    assert bars(main.context["agreement"])["cat"].startswith(specific(KIND, "cat"))
    assert shown(owning, f"{overview}?question=gone").context["shown"].key == "kind"


def test_what_a_kind_of_question_cannot_show_is_explained(surveyed: Project, owning: Client) -> None:
    told = {
        "colours": "Several choices may be right at once",
        "stars": "have an order and are no categories",
        "legs": "Numbers have no categories",
        "says": "Texts have no categories",
        "where": "compared by how far they overlap",
        "later": "No answers to this question are combined yet",
    }
    for key, why in told.items():
        page = shown(owning, f"/projects/{surveyed.slug}/activity/?question={key}")
        assert why in page.content.decode()
        assert page.context["confusion"].is_empty
        assert page.context["agreement"].is_empty == (key not in {"colours", "where"})
        if key == "colours":
            chosen = [tuple("red" in one for one in said) for said in COLOURS]
            assert bars(page.context["agreement"])["Red"].startswith(specific(chosen, True))
        if key == "where":
            ((name, share),) = bars(page.context["agreement"]).items()
            assert name == "cat"
            assert 80 < float(share.split("\u202f")[0]) < 100


def test_only_the_question_that_is_shown_is_counted(surveyed: Project, owning: Client) -> None:
    def labels_counted(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            shown(owning, path)
        return sum('SELECT "labeling_consensus"."answer" AS "answer", COUNT(' in one["sql"] for one in queries)

    address = f"/projects/{surveyed.slug}/"
    assert [labels_counted(f"{address}{path}") for path in ("", "activity/", "activity/?question=collar")] == [0, 1, 1]


def test_a_persons_confusion_is_shown_for_each_question(surveyed: Project, owning: Client) -> None:
    member = Membership.objects.get(project=surveyed, user__username="worker2")
    address = f"/projects/{surveyed.slug}/workers/{member.pk}/"
    skills: dict[str, Any] = {
        row.question.key: row.confusion
        for row in WorkerSkill.objects.filter(worker=member.user).select_related("question")
    }
    main = shown(owning, address)
    assert 'scope="row">cat<' in str(main.context["plot"].body)
    assert '<a href="?question=collar#mistakes">A collar?</a>' in main.content.decode()
    for key, names in (("collar", ("Yes", "No")), ("colours", ("Not chosen", "Chosen"))):
        plot = shown(owning, f"{address}?question={key}").context["plot"]
        for name, row in zip(names, skills[key], strict=True):
            cells = str(plot.body).split(f'scope="row">{name}<')[1].split("</tr>")[0]
            assert all(f">{100 * share:.0f}\u202f%<" in cells for share in row)
    for key in ("stars", "legs"):
        page = shown(owning, f"{address}?question={key}")
        assert skills[key]["bias"] > 0
        assert dict(page.context["habits"])["Usually above (+) or below (−) the truth by"].startswith("+")
    drawn = dict(shown(owning, f"{address}?question=where").context["habits"])
    assert drawn["Draws what is there"] == f"{100 * skills['where']['hand']['finds']:.1f}\u202f%"
    assert "Texts have no categories" in shown(owning, f"{address}?question=says").content.decode()
    assert "combined yet" in shown(owning, f"{address}?question=later").content.decode()


def test_agreement_that_nobody_shares_says_so(make_project: Callable[..., Project], owning: Client) -> None:
    project = make_project(images=1, judgments_min=2)
    user = person("alone")
    services.ensure_member(project=project, user=user)
    answered(project, user, lambda _image: {"category": "cat"})
    fitting.fit_project(project.pk)
    address = f"/projects/{project.slug}/activity/"
    assert "No image has two people&#x27;s answers" in shown(owning, address).content.decode()
    fit = Question.objects.get(project=project).fit
    fit["figures"]["confusion"] = None
    Question.objects.filter(project=project).update(fit=fit)
    assert "Of more than 50 categories" in shown(owning, address).content.decode()


def test_labels_of_a_scale_stand_in_its_order_and_numbers_in_round_steps(surveyed: Project, owning: Client) -> None:
    stars, legs = (surveyed.questions.get(key=key) for key in ("stars", "legs"))
    for question, answers in ((stars, [4, 1, 4, "cant_tell"]), (legs, [-0.005, 4.005, 39, "cant_tell"])):
        rows = list(Consensus.objects.filter(question=question).order_by("pk"))
        for row, answer in zip(rows, answers, strict=True):
            Consensus.objects.filter(pk=row.pk).update(answer=answer)
    names = re.findall("<th[^>]*>([^<]+)</th>", by_question.charts_of(surveyed, stars)["per_category"].body)
    assert (names[:2], len(names)) == (["1", "4"], 3)
    plot = by_question.charts_of(surveyed, legs)["per_category"].rows
    assert plot[0][0] == "0"
    assert [row[:2] for row in plot if row[1] != "0"] == [["0", "1"], ["5", "1"], ["40", "1"]]
    page = owning.get(f"/projects/{surveyed.slug}/labels/?question=stars&answer=4")
    assert len(page.context["rows"]) == 2
    assert '<option value="4" selected>4</option>' in page.content.decode()


def test_the_commonest_texts_are_listed_without_regard_to_their_spelling(surveyed: Project, owning: Client) -> None:
    says = surveyed.questions.get(key="says")

    def listed(*answers: str) -> dict[str, str]:
        rows = Consensus.objects.filter(question=says).order_by("pk")
        for row, answer in zip(rows, answers, strict=True):
            Consensus.objects.filter(pk=row.pk).update(answer=answer)
        return bars(by_question.charts_of(surveyed, says)["per_category"])

    assert listed("Rex", "STOP", "Rex", "rex ") == {"Rex": "3", "STOP": "1"}
    assert listed("Rex", "STOP", "7", "exit") == {}
    page = owning.get(f"/projects/{surveyed.slug}/activity/")
    assert "?question=says#by-category" in page.content.decode()


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([1e100, -1e100, 0, 0], {"-1000000G": "1", "0": "2", "1000000G": "1"}),
        ([12341, 12343, 12343, 12344], {"12341": "1", "12343": "2", "12344": "1"}),
    ],
)
def test_columns_of_numbers_hold_the_largest_and_tell_neighbours_apart(
    surveyed: Project, answers: list[float], told: dict[str, str]
) -> None:
    legs = surveyed.questions.get(key="legs")
    for row, answer in zip(Consensus.objects.filter(question=legs).order_by("pk"), answers, strict=True):
        Consensus.objects.filter(pk=row.pk).update(answer=answer)
    plot = by_question.charts_of(surveyed, legs)["per_category"].rows
    assert {row[0]: row[1] for row in plot if row[1] != "0"} == told
