"""The owner's page of a survey's languages without a browser: the form, the table, and what is refused."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from labeling import services
from labeling.models import Project, SurveyVersion


@pytest.fixture
def worded(make_project: Callable[..., Project]) -> Project:
    words = {"hi": {"instructions": "देखें।", "categories": {"cat": {"name": "बिल्ली"}}}}
    return make_project(instructions="=Look.", language="en", wordings=words)


def words_of(project: Project) -> Any:
    project.refresh_from_db()
    document = SurveyVersion.objects.get(project=project, version=project.survey_version).document
    return document.get("translations")


def sent(client: Client, project: Project, **data: Any) -> Any:
    return client.post(f"/projects/{project.slug}/settings/survey/languages/", data)


def test_a_form_changes_the_texts_that_it_has_and_leaves_the_others(worded: Project, owning: Client) -> None:
    answer = sent(owning, worded, code="hi", action="save", **{"categories/dog/name": " कुत्ता ", "instructions": ""})
    assert answer.status_code == 302
    assert words_of(worded) == {"hi": {"categories": {"cat": {"name": "बिल्ली"}, "dog": {"name": "कुत्ता"}}}}


def test_the_owner_of_a_survey_in_one_wording_is_asked_to_name_its_language_until_it_is_named(
    make_project: Callable[..., Project], owning: Client
) -> None:
    for language, asks in (("", True), ("ar", False)):
        project = make_project(language=language) if language else make_project()
        page = owning.get(f"/projects/{project.slug}/settings/survey/").content.decode()
        assert "Everybody is asked in one wording." in page
        assert ("Name its language" in page) == asks


@pytest.mark.parametrize(
    ("head", "separator", "encoding"),
    [("", ";", "utf-8-sig"), ("", "\t", "utf-8-sig"), ("", "\t", "utf-16"), ("sep=;\r\n", ";", "utf-8")],
)
def test_a_table_comes_as_the_spreadsheet_of_another_country_writes_it(
    head: str, separator: str, encoding: str, worded: Project, owning: Client
) -> None:
    lines = f"Text {separator}original{separator}translation\r\ncategories/dog/name{separator}dog{separator}कुत्ता\r\n"
    table = SimpleUploadedFile("hi.csv", (head + lines).encode(encoding))
    assert sent(owning, worded, code="hi", action="table", table=table).status_code == 302
    assert words_of(worded)["hi"]["categories"] == {"cat": {"name": "बिल्ली"}, "dog": {"name": "कुत्ता"}}


def test_a_table_is_downloaded_filled_in_and_brought_back(worded: Project, owning: Client) -> None:
    got = owning.get(f"/projects/{worded.slug}/settings/survey/languages/hi.csv")
    lines = list(csv.DictReader(io.StringIO(got.content.decode("utf-8-sig"))))
    assert [line["original"] for line in lines] == ["'=Look.", "What is in this image?", "cat", "dog"]
    lines[1]["translation"] = "इस चित्र में क्या है?"
    lines[2]["translation"] = ""
    out = io.StringIO()
    writer = csv.DictWriter(out, lines[0])
    writer.writeheader()
    writer.writerows(lines[:3])
    table = SimpleUploadedFile("hi.csv", out.getvalue().encode())
    assert sent(owning, worded, code="hi", action="table", table=table).status_code == 302
    asked = {"category": {"prompt": "इस चित्र में क्या है?"}}
    assert words_of(worded) == {"hi": {"instructions": "देखें।", "questions": asked}}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"text,words\na,b\n", "needs the columns"),
        ("text,translation\nquestions/x/prompt,क\n".encode(), "no text &#x27;questions/x/prompt&#x27;"),
        ("text,translation\ncategories/dog/name,é\n".encode("latin-1"), "Line 2: This is not UTF-8"),
        (b"", "needs the columns"),
    ],
)  # fmt: skip
def test_a_table_that_does_not_fit_is_told_so_and_changes_nothing(
    data: bytes, told: str, worded: Project, owning: Client
) -> None:
    before = words_of(worded)
    table = SimpleUploadedFile("hi.csv", data or b"\n")
    answer = sent(owning, worded, code="hi", action="table", table=table)
    assert (answer.status_code, told in answer.content.decode()) == (400, True)
    assert words_of(worded) == before


def test_what_is_refused_stands_in_the_form_again(worded: Project, owning: Client) -> None:
    seen = worded.survey_version
    services.replace_survey(project=worded, user=worded.owner, wordings={"hi": {"instructions": "सुनें।"}})
    answer = sent(owning, worded, code="hi", action="save", seen=seen, **{"categories/dog/name": "कुत्ता"})
    assert answer.status_code == 400
    assert 'value="कुत्ता"' in answer.content.decode()
    assert words_of(worded) == {"hi": {"instructions": "सुनें।"}}


def test_a_language_is_removed_and_the_language_of_the_original_said(worded: Project, owning: Client) -> None:
    assert sent(owning, worded, code="hi", action="remove").status_code == 302
    assert words_of(worded) is None
    assert sent(owning, worded, action="original", original="hi").status_code == 302
    worded.refresh_from_db()
    assert SurveyVersion.objects.get(project=worded, version=worded.survey_version).document["language"] == "hi"
    assert sent(owning, worded, code="tlh", action="save").status_code == 400


def test_a_preview_shows_what_stands_in_the_form_of_a_language(worded: Project, owning: Client) -> None:
    address = f"/projects/{worded.slug}/settings/survey/preview/"
    assert '<span lang="hi" dir="ltr">बिल्ली</span>' in owning.get(f"{address}?code=hi").content.decode()
    told = owning.post(address, {"code": "ar", "categories/cat/name": "قطة"}).content.decode()
    assert '<span lang="ar" dir="rtl">قطة</span>' in told
    assert '<span lang="en" dir="ltr">dog</span>' in told


def test_the_builder_shows_a_survey_that_is_written_from_right_to_left_so(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(language="ar")
    address = f"/projects/{project.slug}/settings/survey/preview/"
    assert 'id="questions" dir="rtl"' in owning.get(address).content.decode()


def test_settings_keep_a_language_that_only_a_translation_has_named(
    make_project: Callable[..., Project], owning: Client
) -> None:
    words = {"gu": {"categories": {"cat": {"name": "બિલાડી"}}}}
    project = make_project(languages=["en"], language="en", wordings=words)
    page = owning.get(f"/projects/{project.slug}/settings/")
    sent = {**page.context["form"].initial, "shown": page.context["form"].shown, "name": "Pets at home", "budget": ""}
    assert owning.post(f"/projects/{project.slug}/settings/", sent).status_code == 302
    project.refresh_from_db()
    assert (project.name, project.languages) == ("Pets at home", ["en", "gu"])
    owning.post(f"/projects/{project.slug}/settings/", {**sent, "languages": ["en"]})
    project.refresh_from_db()
    assert project.languages == ["en"]


def marks_of(project: Project) -> Any:
    project.refresh_from_db()
    return SurveyVersion.objects.get(project=project, version=project.survey_version).document.get("outdated")


def test_a_text_stays_marked_until_it_is_written_anew_or_said_to_be_right(worded: Project, owning: Client) -> None:
    rows = [{"key": "cat", "name": "Cats"}, {"key": "dog", "name": "Dogs"}, {"key": "cow", "name": "Cow"}]
    words = {"categories": {"cat": {"name": "बिल्ली"}, "dog": {"name": "कुत्ता"}, "cow": {"name": "गाय"}}}
    services.replace_survey(project=worded, user=worded.owner, categories=["cat", "dog", "cow"])
    services.replace_survey(project=worded, user=worded.owner, wordings={"hi": words})
    services.replace_survey(project=worded, user=worded.owner, categories=rows)
    assert marks_of(worded) == {"hi": [f"categories/{key}/name" for key in ("cat", "cow", "dog")]}
    fields = {f"categories/{row['key']}/name": words["categories"][row["key"]]["name"] for row in rows}
    fields["categories/cat/name"] = "बिल्लियाँ"
    sent(owning, worded, code="hi", action="save", **fields)
    assert marks_of(worded) == {"hi": ["categories/cow/name", "categories/dog/name"]}
    sent(owning, worded, code="hi", action="save", right=["categories/dog/name"], **fields)
    assert marks_of(worded) == {"hi": ["categories/cow/name"]}
    table = SimpleUploadedFile("hi.csv", "text,translation\ncategories/cow/name,गाएँ\n".encode())
    sent(owning, worded, code="hi", action="table", table=table)
    assert marks_of(worded) is None
