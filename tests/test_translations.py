"""Each language's catalogue is whole: all translated, none in doubt, placeholders kept, the compiled file up to date.

After a change: ``manage.py makemessages -l hi --no-location --no-wrap`` and ``manage.py compilemessages``.
"""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from django.conf import settings
from django.utils.translation.template import templatize

from tests import ROOT

FOLDERS = sorted((ROOT / "locale").glob("*/LC_MESSAGES"))
EACH = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
ROOMS = ("config", "inference", "labeling", "training")
MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
IN_TEMPLATES = re.compile(r"""\b(?:gettext|ngettext)\((?:u)?((?:'(?:[^'\\]|\\.)*')|(?:"(?:[^"\\]|\\.)*"))""")
PLACEHOLDER = re.compile(r"%\(\w+\)[.\d]*[sdf]|%[.\d]*[sdf](?!\w)|<[^>]+>")


class Entry(NamedTuple):
    flags: str
    texts: dict[str, str]


def entries(folder: Path) -> list[Entry]:
    """The entries of the .po file after its header; ``texts`` by keyword: msgid, msgid_plural, msgstr, msgstr[0] …"""
    found = []
    for block in (folder / "django.po").read_text(encoding="utf-8").split("\n\n")[1:]:
        flags = " ".join(line for line in block.splitlines() if line.startswith("#,"))
        texts: dict[str, str] = {}
        for line in block.splitlines():
            match = re.match(r"(msg\w+(?:\[\d\])?) (\".*\")", line)
            if match:
                keyword = match[1]
                texts[keyword] = ast.literal_eval(match[2])
            elif line.startswith('"'):
                texts[keyword] += ast.literal_eval(line)
        if texts:
            found.append(Entry(flags, texts))
    return found


def test_every_language_of_the_pages_has_its_catalogue():
    assert {code for code, _name in settings.LANGUAGES} - {"en"} == {folder.parent.name for folder in FOLDERS}


@EACH
def test_every_entry_is_translated_and_none_is_in_doubt(folder):
    assert len(entries(folder)) > 500
    for entry in entries(folder):
        assert "fuzzy" not in entry.flags, entry.texts["msgid"]
        assert all(text.strip() for key, text in entry.texts.items() if key.startswith("msgstr")), entry.texts["msgid"]


def said_in_python() -> Iterator[str]:
    """Every text that the code marks for translation."""
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS and node.args:
                text = node.args[0]
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    yield text.value


def said_in_templates() -> Iterator[str]:
    for path in (ROOT / "templates").rglob("*.html"):
        for match in IN_TEMPLATES.finditer(templatize(path.read_text(encoding="utf-8"))):
            yield ast.literal_eval(match[1]).replace("%%", "%")


@EACH
@pytest.mark.parametrize("said", [said_in_python, said_in_templates])
def test_nothing_that_is_said_is_missing_from_the_catalogue(said, folder):
    known = {entry.texts["msgid"] for entry in entries(folder)}
    known |= {text.replace("%%", "%") for text in known}
    wanted = set(said())
    assert len(wanted) > 300
    assert not sorted(wanted - known)


@EACH
def test_every_placeholder_is_kept(folder):
    for entry in entries(folder):
        for key, text in entry.texts.items():
            if key.startswith("msgstr"):
                source = entry.texts.get("msgid_plural") if key == "msgstr[1]" else entry.texts["msgid"]
                assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(source or "")), text


@EACH
@pytest.mark.parametrize("key", ["msgstr", "msgstr[0]"])
def test_the_compiled_catalogue_is_made_from_the_text(key, folder):
    with open(folder / "django.mo", "rb") as file:
        compiled = gettext.GNUTranslations(file)
    for entry in entries(folder):
        if key not in entry.texts:
            continue
        identity, plural = entry.texts["msgid"], entry.texts.get("msgid_plural")
        context = entry.texts.get("msgctxt")
        if context:
            said = compiled.npgettext(context, identity, plural, 1) if plural else compiled.pgettext(context, identity)
        else:
            said = compiled.ngettext(identity, plural, 1) if plural else compiled.gettext(identity)
        assert said == entry.texts[key]
