"""The log of changes says in words what was done."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from labeling import audit
from tests import ROOT

WRITERS = {"audit.write", "AuditEntry.objects.create"}


def actions() -> Iterator[str]:
    """Every action that the code writes by its name."""
    for room in ("labeling", "training", "inference"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in WRITERS:
                    for word in node.keywords:
                        if word.arg == "action" and isinstance(word.value, ast.Constant):
                            yield str(word.value.value)


def test_every_action_that_is_written_has_words() -> None:
    written = set(actions())
    assert len(written) > 25
    assert not written - set(audit.ACTIONS)
