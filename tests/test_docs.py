"""What the documentation speaks of is there: files, links, commands and their options, settings, addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import Resolver404, resolve

from inference.feedback import loop
from inference.models import Deployment
from labeling.upkeep import tidying
from tests import ROOT

PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
    ROOT / "clients" / "python" / "README.md",
]
FOLDERS = [
    path.name for path in sorted(ROOT.iterdir())
    if path.is_dir() and not path.name.startswith(".") and path.name not in {"data", "node_modules"}
]  # fmt: skip
# A file that is named by its place, in the documentation and in what the code says of itself.
NAMED = re.compile(rf"(?<![\w./…-])((?:{'|'.join(FOLDERS)})/[\w./-]*\w\.(?:py|md|yaml|js|css|toml))\b")
SOURCES = [
    path for room in ("config", "labeling", "training", "inference", "bench", "tests", "static/js", "static/css")
    for path in sorted((ROOT / room).rglob("*")) if path.suffix in {".py", ".js", ".css"}
]  # fmt: skip


def told(pattern: str, paths: list[Path]) -> Iterator[tuple[str, str]]:
    """(where, what) of each match of the pattern's first group."""
    for path in paths:
        for match in re.finditer(pattern, path.read_text()):
            yield str(path.relative_to(ROOT)), match[1]


def test_every_link_leads_somewhere() -> None:
    links = [(where, link) for where, link in told(r"\]\(([^)#\s]+)", PAGES) if "://" not in link]
    assert links
    assert [(where, link) for where, link in links if not (ROOT / where).parent.joinpath(link).exists()] == []


def test_every_file_that_is_named_is_there() -> None:
    named = list(told(NAMED.pattern, [*PAGES, *SOURCES]))
    assert len(named) > 50
    assert [(where, file) for where, file in named if not (ROOT / file).exists()] == []


def test_every_target_of_make_is_there_and_explains_itself() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
    explained = set(re.findall(r"^([a-z][\w-]*):.*## \w", makefile, re.MULTILINE))
    assert targets == explained
    assert {target for _where, target in told(r"(?:`|^)make ([a-z]\w*)", PAGES)} <= targets


def test_every_command_is_there() -> None:
    commands = set(get_commands())
    assert [(where, name) for where, name in told(r"manage\.py ([a-z]\w+)", PAGES) if name not in commands] == []


def test_every_variable_is_a_setting_or_one_of_the_larger_install() -> None:
    files = [ROOT / ".env.example", ROOT / "docker-compose.yml"]
    known = {name for _where, name in told(r"\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{4,})\b", files)}
    pages = [page for page in PAGES if page.name in {"README.md", "operating.md", "ARCHITECTURE.md"}]
    named = {name for _where, name in told(r"(?m)(?:`|^)([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)=", pages)}
    named |= {name for _where, name in told(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`", pages)}
    assert len(named) > 20
    of_others = {"SSL_CERT_FILE", "XLA_PYTHON_CLIENT_MEM_FRACTION"}
    assert named - known <= of_others | {"BACKUP", "PG", "CROWDTUNE_TOKEN", "CROWDTUNE_URL", "CROWDTUNE_PROJECT"}


def test_every_folder_of_the_data_is_on_the_map() -> None:
    _before, _heading, part = (ROOT / "ARCHITECTURE.md").read_text().partition("## Files on disk")
    named = set(re.findall(r"\b(\w+)/", part.partition("\n## ")[0]))
    code = [path for path in SOURCES if path.suffix == ".py" and "tests" not in path.parts]
    made = {name for _where, name in told(r"DATA_DIR\)? / \"(\w+)\"", code)}
    assert len(made) > 5
    assert made - {"admin_password", "secret_key"} <= named


def test_what_leaves_by_itself_leaves_when_operators_are_told() -> None:
    text = (ROOT / "docs" / "operating.md").read_text()
    assert "| files of exports, batch predictions and downloads | after a week |" in text
    assert f"| the log of webhook deliveries | after {tidying.DELIVERIES_KEPT.days} days |" in text
    assert f"| a person's key | {tidying.KEYS_KEPT.days} days after it expired |" in text
    assert f"| figures of single requests | after {loop.KEEP_TRAFFIC.days} days |" in text
    assert f"retention, {Deployment._meta.get_field('retention_days').default} days unless set |" in text
    assert tidying.RESULTS_KEPT.days == 7


def test_every_measurement_is_there_with_its_options() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    runs = re.findall(r"`python -m bench\.(\w+)([^`]*)`", text)
    assert len(runs) > 20
    for module, options in runs:
        source = ROOT / "bench" / f"{module}.py"
        assert source.exists(), source
        known = set(re.findall(r"\"(--[a-z-]+)\"", source.read_text()))
        assert set(re.findall(r"--[a-z][a-z-]*", options)) <= known, (source.name, options)


@pytest.mark.django_db
def test_every_address_is_there() -> None:
    """``{slug}``, ``<project>`` and ``…`` stand for one part of an address; so does the demo's own project."""
    for where, address in told(r"(?:`|127\.0\.0\.1:8000)(?:GET |POST )?(/[\w/{}<>.…-]*/)(?:`|\s)", PAGES):
        if "…" in address:
            continue
        path = re.sub(
            r"\{(?:id|version|number)\}", "1", re.sub(r"\{slug\}|<project>|\{project\}", "sea-animals", address)
        )
        try:
            resolve(path)
        except Resolver404:
            pytest.fail(f"{where} speaks of {address}, which is not there")


def test_the_map_fits_on_three_pages() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= 150


def test_the_changelog_keeps_its_form() -> None:
    """Source: https://keepachangelog.com/en/1.1.0/"""
    headings = re.findall(r"^#+ .*$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert headings[0] == "# Changelog"
    for heading in headings[1:]:
        assert heading.removeprefix("### ") in kinds or re.fullmatch(r"## \[(Unreleased|\d+\.\d+\.\d+)\].*", heading)
