"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import models

from tests import ROOT

ROOMS = ["labeling", "training", "inference", "config"]  # from the ground up
FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) if "migrations" not in path.parts]
# To a child process; inference/downloads/examples.py is a text for people's own programs.
PASSES_ENVIRONMENT_ON = {
    "training/learning/networks/trunk.py",
    "training/runs/trainer.py",
    "inference/downloads/exporting.py",
    "inference/downloads/examples.py",
}
LONGEST_FILE, LONGEST_FUNCTION = 400, 50
# What Safari takes under this name alone, and what is younger than phones that people work on.
PREFIXED = ["user-select", "text-size-adjust", "backdrop-filter"]
TOO_YOUNG = ["light-dark("]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.app_label in ROOMS]


@pytest.mark.parametrize("model", room_models(), ids=lambda model: model._meta.label)
def test_foreign_keys_between_rooms_point_down_and_leave_no_name_above(model):
    """An import linter does not see a foreign key that is written as a string."""
    here = ROOMS.index(model._meta.app_label)
    for field in model._meta.get_fields():
        if not isinstance(field, models.ForeignKey) or field.related_model._meta.app_label not in ROOMS:
            continue
        there = ROOMS.index(field.related_model._meta.app_label)
        assert there <= here, f"{model._meta.label}.{field.name} points up, to {field.related_model._meta.label}"
        if there < here:
            assert field.remote_field.hidden, f"{model._meta.label}.{field.name} needs related_name='+'"


def test_a_file_is_short_or_its_docstring_says_why_it_is_not():
    long = [path for path in FILES if len(path.read_text().splitlines()) > LONGEST_FILE]
    unexplained = [name(path) for path in long if not re.search(r"long|one file", ast_docstring(path))]
    assert unexplained == []


def test_a_function_fits_on_a_page():
    functions = [
        (name(path), node.name, length(node))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [function for function in functions if function[2] > LONGEST_FUNCTION] == []


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines without the docstring: a pure function's says shapes and sources, and may take its room."""
    first = function.body[1] if ast.get_docstring(function) and len(function.body) > 1 else function.body[0]
    signature = function.body[0].lineno - function.lineno
    return signature + (function.end_lineno or 0) - first.lineno + 1


def test_a_module_says_what_it_is():
    assert [name(path) for path in FILES if path.read_text().strip() and not ast_docstring(path)] == []


def ast_docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def test_the_environment_is_read_in_one_place():
    # Django's own variable, Keras' own, and environments that are passed on to a child process as they are.
    passed_on = {
        "config/wsgi.py",
        "training/learning/networks/heavy.py",
        "config/processes/postgres.py",
        *PASSES_ENVIRONMENT_ON,
    }
    readers = {name(path) for path in FILES if re.search(r"os\.environ|getenv\(", path.read_text())}
    assert readers - passed_on == {"config/env.py"}


def test_there_are_no_signals():
    used = re.compile(r"db\.models\.signals|django\.dispatch|@receiver")
    assert [name(path) for path in FILES if used.search(path.read_text())] == []


@pytest.mark.parametrize("model", room_models(), ids=lambda model: model._meta.label)
def test_no_model_overrides_save_or_delete(model):
    """A rule in ``save`` is skipped by every bulk write; rules live in services."""
    assert model.save is models.Model.save
    assert model.delete is models.Model.delete


def test_an_actor_is_a_door_of_a_few_lines_with_every_option_written_out():
    for path in sorted(ROOT.glob("*/actors.py")):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.FunctionDef) or not node.decorator_list:
                continue
            call = node.decorator_list[0]
            if "actor" not in ast.unparse(call):
                continue
            assert isinstance(call, ast.Call), f"{name(path)}: {node.name} takes Dramatiq's defaults"
            given = {keyword.arg for keyword in call.keywords}
            assert {"queue_name", "time_limit", "max_retries"} <= given, f"{name(path)}: {node.name} gives only {given}"
            body = node.body[1:] if ast.get_docstring(node) else node.body
            assert len(body) <= 5, f"{name(path)}: {node.name} does more than open a door"


def test_registries_name_their_files():
    """File name = key = name stored in the database, wherever a folder is an extension point."""
    from labeling.aggregation import AGGREGATORS
    from labeling.export import FORMATS
    from labeling.questions import KINDS

    beside = {"__init__", "kind", "conditions"}  # what a kind is, and which questions are asked
    files = {path.stem for path in (ROOT / "labeling" / "questions").glob("*.py")} - beside
    assert set(KINDS) == files
    for folder, registry in (("aggregation", AGGREGATORS), ("export", FORMATS)):
        known = {path.stem for path in (ROOT / "labeling" / folder).glob("*.py")}
        assert {"table" if key == "csv" else key for key in registry} <= known  # the standard library has a csv


def test_every_entry_of_a_registry_has_its_words_and_every_measure_its_function():
    from labeling.aggregation import AGGREGATORS
    from labeling.collecting.rules import MEASURES
    from labeling.consensus.stopping import POLICIES
    from labeling.forms.settings import AGGREGATOR_NAMES, POLICY_NAMES
    from labeling.models import Rule

    assert set(AGGREGATOR_NAMES) == set(AGGREGATORS)
    assert set(POLICY_NAMES) == set(POLICIES)
    assert set(MEASURES) == set(Rule.Measure)


@pytest.mark.django_db
def test_no_change_of_a_model_waits_for_its_migration():
    call_command("makemigrations", check=True, dry_run=True)


def importing(library: str, files: Iterable[Path]) -> set[str]:
    return {
        name(path)
        for path in files
        if library in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == library for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == library)
    }


def test_openvino_and_keras_are_imported_in_one_place_only():
    """Each says why (training/learning/networks). Tests and benches may compare with Keras as it comes."""
    files = [*FILES, *sorted((ROOT / "bench").rglob("*.py")), *sorted((ROOT / "tests").rglob("*.py"))]
    assert importing("openvino", files) == {"training/learning/networks/light.py"}
    assert importing("keras", FILES) == {"training/learning/networks/heavy.py"}


@pytest.mark.parametrize("path", sorted((ROOT / "static/css").glob("*.css")), ids=name)
def test_styles_say_what_phones_in_use_understand(path):
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    assert not [word for word in TOO_YOUNG if word in text]
    for word in PREFIXED:
        assert len(re.findall(rf"(?<!-){word}:", text)) == text.count(f"-webkit-{word}:"), word
