"""The log of changes says in words what was done."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator

from inference.forms import DeploymentForm
from labeling import audit
from labeling.forms.settings import RuleForm, SettingsForm
from tests import ROOT
from training.forms import PolicyForm

WRITERS = {"audit.write", "AuditEntry.objects.create"}


@functools.cache
def trees() -> list[ast.Module]:
    """Of the files that write to the log."""
    paths = (path for room in ("labeling", "training", "inference") for path in (ROOT / room).rglob("*.py"))
    texts = (path.read_text(encoding="utf-8") for path in paths)
    return [ast.parse(text) for text in texts if any(writer in text for writer in WRITERS)]


def actions() -> Iterator[str]:
    """Every action that the code writes by its name."""
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in WRITERS:
                for word in node.keywords:
                    if word.arg == "action" and isinstance(word.value, ast.Constant):
                        yield str(word.value.value)


def fields() -> Iterator[str]:
    """Every field that the code writes down by its name, and those of the forms whose changes are written down."""
    for tree in trees():
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                yield from _written(function)
    for form in (SettingsForm, RuleForm, PolicyForm, DeploymentForm):
        yield from form.base_fields


def _written(function: ast.FunctionDef) -> Iterator[str]:
    """The keys of what is handed to ``audit.write`` as changes: at its place, or by a name that is set before."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and ast.unparse(node.func) in WRITERS]
    told = [word.value for call in calls for word in call.keywords if word.arg == "changes"]
    names = {value.id for value in told if isinstance(value, ast.Name)}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in names:
            told.append(node.value)
    for value in told:
        if isinstance(value, ast.Dict):
            yield from (str(key.value) for key in value.keys if isinstance(key, ast.Constant))


def test_every_field_that_is_written_down_has_a_name_for_people() -> None:
    written = set(fields())
    assert {"username", "judgments_min", "backbone", "sample_rate", "threshold"} <= written
    assert not written - set(audit.FIELDS)


def test_every_action_that_is_written_has_words() -> None:
    written = set(actions())
    assert len(written) > 25
    assert not written - set(audit.ACTIONS)
