"""What an owner changes on the pages: settings, categories, rules, webhooks, and the end of a project."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client

from labeling import services
from labeling.errors import CrowdtuneError
from labeling.models import AuditEntry, Membership, Project, Rule, Webhook
from labeling.views.owner.categories import SHOWN
from tests.labeling.conftest import client, person, picture
from tests.labeling.views.owner.conftest import judged
from tests.labeling.views.owner.test_pages import text


def settings_of(project: Project, client: Client) -> dict[str, object]:
    form = client.get(f"/projects/{project.slug}/settings/").context["form"]
    values = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in values.items() if value is not None and value is not False}


def test_settings_are_saved_and_each_change_is_logged(project: Project, owning: Client) -> None:
    values = {**settings_of(project, owning), "judgments_max": 5, "is_paused": "on"}
    response = owning.post(f"/projects/{project.slug}/settings/", values)
    assert response.status_code == 302, response.context["form"].errors
    project.refresh_from_db()
    assert (project.judgments_max, project.is_paused) == (5, True)
    entry = AuditEntry.objects.filter(action="settings").get()
    assert entry.changes["judgments_max"] == [3, 5]
    assert "People per image, at most" in text(owning.get(f"/projects/{project.slug}/settings/log/"))


@pytest.mark.parametrize(("typed", "stored"), [("12.5 %", 0.125), ("20", 0.2), ("1", None), ("some", None)])
def test_a_share_is_a_percentage_or_a_fraction_and_never_guessed(
    project: Project, owning: Client, typed: str, stored: float | None
) -> None:
    values = {**settings_of(project, owning), "gold_rate": typed}
    assert str(values["confidence"]).endswith(" %")
    response = owning.post(f"/projects/{project.slug}/settings/", values)
    assert response.status_code == (400 if stored is None else 302)
    if stored is not None:
        project.refresh_from_db()
        assert project.gold_rate == stored


def test_an_owner_who_lowers_the_budget_below_what_is_spent_is_told_at_once(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(images=1, price_per_judgment=Decimal("0.10"), budget=10)
    judged(project, people=1)
    address, told = f"/projects/{project.slug}/settings/", "has no room for one more judgment (spent so far: 0.10)"
    assert "Cost so far: 0.10" in text(owning.get(address))
    page = text(owning.post(address, {**settings_of(project, owning), "budget": "5"}, follow=True))
    assert "Saved." in page
    assert told not in page
    assert told in text(owning.post(address, {**settings_of(project, owning), "budget": "0.15"}, follow=True))
    page = text(owning.post(address, {**settings_of(project, owning), "name": "Other"}, follow=True))
    assert "Saved." in page
    assert told not in page  # the overview says it from there on


def test_the_log_tells_fields_and_values_as_a_person_says_them(project: Project, owning: Client) -> None:
    services.change_project(project=project, user=project.owner, languages=["en", "hi"], is_paused=True, budget=7)
    services.add_rule(project=project, user=project.owner, measure="agreement", threshold=0.5, action="pause")
    task = project.tasks.order_by("id").first()
    services.set_gold(task=task, answers={"category": "cat"}, user=project.owner)
    page = owning.get(f"/projects/{project.slug}/settings/log/")
    told = {
        str(name): (before, after)
        for _entry, _what, changes, _image in page.context["entries"]
        for name, before, after in changes
    }
    assert told["Languages"] == ("–", "English, हिन्दी")
    assert (told["Paused"], told["Budget"]) == (("No", "Yes"), ("–", "7"))
    assert (told["If"], told["Then"]) == ((None, "Agreement with the consensus"), (None, "Pause the worker"))
    assert told["What it is for"] == (None, "Hidden among real tasks")
    assert f"/projects/{project.slug}/images/{task.image_id}/" in text(page)


def test_a_webhook_tells_how_many_arrived(project: Project, owning: Client) -> None:
    hook = services.add_webhook(project=project, user=project.owner, url="https://example.org/")
    for state in ("waiting", "delivered", "delivered", "failed"):
        hook.deliveries.create(event="job.finished", payload={}, state=state)
    page = text(owning.get(f"/projects/{project.slug}/settings/webhooks/"))
    assert "2 sent · 1 waiting · 1 given up" in page
    assert "Next try" not in page


def test_saving_settings_as_they_are_changes_nothing(project: Project, owning: Client) -> None:
    owning.post(f"/projects/{project.slug}/settings/", settings_of(project, owning))
    assert not AuditEntry.objects.filter(action="settings").exists()


def test_a_setting_that_cannot_be_is_said_at_its_field(project: Project, owning: Client) -> None:
    response = owning.post(f"/projects/{project.slug}/settings/", {**settings_of(project, owning), "confidence": 2})
    assert response.status_code == 400
    assert response.context["form"].errors["confidence"]
    response = owning.post(f"/projects/{project.slug}/settings/", {**settings_of(project, owning), "judgments_min": 9})
    assert response.context["form"].errors["judgments_max"]
    told = client(project.owner).patch(
        f"/api/v1/projects/{project.slug}/", {"instructions": "x" * 50_001}, format="json"
    )
    assert (told.status_code, "50000" in str(told.json()["error"]["fields"]["instructions"])) == (400, True)
    Project.objects.filter(pk=project.pk).update(instructions="x" * 60_000)  # as were stored before
    paused = client(project.owner).patch(f"/api/v1/projects/{project.slug}/", {"is_paused": True}, format="json")
    assert (paused.status_code, paused.json()["is_paused"]) == (200, True)


def test_a_page_that_stood_open_changes_what_was_changed_in_it_and_nothing_else(
    project: Project, owning: Client
) -> None:
    address = f"/projects/{project.slug}/settings/"
    form = owning.get(address).context["form"]
    stood = {**settings_of(project, owning), "shown": form.shown}
    meanwhile = {"is_paused": True, "judgments_max": 9, "price_per_judgment": "0.05", "languages": ["hi"], "budget": 7}
    services.change_project(project=project, user=project.owner, **meanwhile)
    refused = owning.post(address, {**stood, "instructions": "Look twice.", "confidence": 2})
    assert refused.context["form"].shown == form.shown
    owning.post(address, {**stood, "instructions": "Look twice.", "gold_rate": "0.2"})
    project.refresh_from_db()
    assert {name: getattr(project, name) for name in meanwhile} == {
        **meanwhile,
        "price_per_judgment": Decimal("0.05"),
    }
    assert (project.instructions, project.gold_rate) == ("Look twice.", 0.2)
    for shown in ("", "no json", "[]", '{"gold_rate": "much"}'):
        owning.post(address, {**settings_of(project, owning), "shown": shown, "gold_rate": "0.3"})
        project.refresh_from_db()
        assert project.gold_rate == 0.3, shown
        Project.objects.update(gold_rate=0.2)


def test_lines_of_text_count_as_unchanged_though_browsers_end_them_otherwise(project: Project, owning: Client) -> None:
    address = f"/projects/{project.slug}/settings/"
    services.change_project(project=project, user=project.owner, instructions="One.\nTwo.")
    stood = {**settings_of(project, owning), "shown": owning.get(address).context["form"].shown}
    services.change_project(project=project, user=project.owner, instructions="Look\ntwice.")
    owning.post(address, {**stood, "instructions": "One.\r\nTwo."})
    project.refresh_from_db()
    assert project.instructions == "Look\ntwice."
    owning.post(address, {**stood, "instructions": "One.\r\nThree."})
    project.refresh_from_db()
    assert project.instructions == "One.\nThree."


def test_a_category_that_no_line_can_say_stays_as_it_is_while_its_line_stays(project: Project, owning: Client) -> None:
    """Two lines of a description would make a category of the second."""
    address = f"/projects/{project.slug}/settings/categories/"
    odd = {"key": "big, old cat", "name": "cat | tiger", "description": "Large.\n\nStriped."}
    services.replace_survey(project=project, user=project.owner, categories=[odd])
    for more in ("", "\r\ndog"):
        lines = owning.get(address).context["form"]["text"].value()
        owning.post(address, {"text": lines + more})
        kept = list(project.categories.order_by("position").values("key", "name", "description"))
        assert kept[0] == odd
        assert [row["key"] for row in kept] == ["big, old cat", *more.split()]


def test_a_category_beyond_those_that_are_shown_is_found_by_its_name(project: Project, owning: Client) -> None:
    address = f"/projects/{project.slug}/settings/categories/"
    assert 'name="q"' not in text(owning.get(address))
    many = [{"key": f"n{number}", "name": f"Kind {number}"} for number in range(SHOWN + 1)]
    services.replace_survey(project=project, user=project.owner, categories=many)
    last = project.categories.get(key=f"n{SHOWN}")
    page = owning.get(address)
    assert "are shown" in text(page)
    assert f"{address}{last.pk}/" not in text(page)
    page = owning.get(address, {"q": f"KIND {SHOWN}"})
    assert [row["key"] for row in page.context["rows"]] == [last.key]
    assert f"1 of {SHOWN + 1}" in text(page)
    assert f"{address}{last.pk}/" in text(page)
    assert f"n{SHOWN - 1}" in page.context["form"]["text"].value()  # a filter takes none out
    assert "No category fits" in text(owning.get(address, {"q": "zebra"}))


def test_categories_keep_their_parents_descriptions_and_wordnet_ids(project: Project, owning: Client) -> None:
    lines = "animal\ncat | Cat | animal | n02121808 | A small one | with a tail\ndog | | animal"
    owning.post(f"/projects/{project.slug}/settings/categories/", {"text": lines})
    cat = project.categories.get(key="cat")
    assert (cat.name, cat.wordnet_id, cat.description) == ("Cat", "n02121808", "A small one | with a tail")
    assert cat.parent is not None
    assert cat.parent.key == "animal"
    page = owning.get(f"/projects/{project.slug}/settings/categories/")
    again = page.context["form"]["text"].value()
    assert again == "animal\ncat | Cat | animal | n02121808 | A small one | with a tail\ndog |  | animal"


def test_whoever_takes_out_a_category_that_labels_have_is_told_how_many(project: Project, owning: Client) -> None:
    judged(project, 1)
    address = f"/projects/{project.slug}/settings/categories/"
    told = owning.post(address, {"text": "ape\ndog"}, follow=True).content.decode()
    assert "cat is no category any more, and 3 labels say it" in told
    assert "no category any more" not in owning.post(address, {"text": "ape"}, follow=True).content.decode()


def test_a_category_goes_with_its_description_and_pictures_only_when_its_owner_was_told(
    project: Project, owning: Client
) -> None:
    address = f"/projects/{project.slug}/settings/categories/"
    owning.post(address, {"text": "cat | | | | A small <tiger>\ndog\nape"})
    words = {"hi": {"categories": {"ape": {"name": "वानर"}}}}
    services.replace_survey(project=project, user=project.owner, language="en", wordings=words)
    keyed_anew = owning.post(address, {"text": "cat\ndog\nmonkey"})  # another key is another category
    assert "<strong>ape</strong> · हिन्दी<" in keyed_anew.content.decode()
    dog = project.categories.get(key="dog")
    services.add_example(category=dog, data=picture(), user=project.owner)
    told = owning.post(address, {"text": "ape"})
    assert (told.status_code, project.categories.count()) == (400, 3)
    page = told.content.decode()
    assert "<strong>cat</strong> · A small &lt;tiger&gt;" in page
    assert "<strong>dog</strong> · 1 example picture<" in page
    assert told.context["form"]["text"].value() == "ape"
    assert owning.post(address, {"text": "ape\ncat", "told": told.context["told"]}).status_code == 400  # of others
    owning.post(address, {"text": "ape", "told": told.context["told"]})
    assert list(project.categories.values_list("key", flat=True)) == ["ape"]
    services.replace_survey(project=project, user=project.owner, wordings={"hi": None})
    owning.post(address, {"text": "bat"})  # nothing was written about the ape
    assert list(project.categories.values_list("key", flat=True)) == ["bat"]


def test_a_webhook_is_added_and_an_address_that_is_none_is_not(project: Project, owning: Client) -> None:
    address = f"/projects/{project.slug}/settings/webhooks/"
    refused = owning.post(address, {"url": "javascript:alert(1)", "events": ["task.retired"]})
    assert refused.status_code == 400
    assert 'value="javascript:alert(1)"' in refused.content.decode()  # what was typed stays in the form
    assert 'value="task.retired" checked' in refused.content.decode()
    assert not Webhook.objects.exists()
    owning.post(address, {"url": "https://example.org/hook", "events": ["task.retired"]})
    assert Webhook.objects.get().events == ["task.retired"]


def test_a_webhook_is_changed_on_its_page_and_sent_again_what_was_given_up(project: Project, owning: Client) -> None:
    hook = services.add_webhook(project=project, user=project.owner, url="https://example.org/old")
    letter = hook.deliveries.create(event="job.finished", payload={}, state="failed", attempts=10)
    page = f"/projects/{project.slug}/settings/webhooks/"
    address = f"{page}{hook.pk}/"
    refused = owning.post(address, {"action": "change", "url": "ftp://example.org/", "events": ["task.retired"]})
    assert refused.status_code == 400
    shown = refused.content.decode()
    assert shown.count('value="ftp://example.org/"') == shown.count('value="task.retired" checked') == 1
    owning.post(address, {"action": "change", "url": "https://example.org/new", "events": ["task.retired"]})
    hook.refresh_from_db()
    assert (hook.url, hook.events) == ("https://example.org/new", ["task.retired"])
    assert "Send again what was given up (1)" in text(owning.get(page))
    for sent in ({"delivery": letter.pk}, {}):
        hook.deliveries.update(state="failed")
        owning.post(address, {"action": "again", **sent})
        assert hook.deliveries.get().state == "waiting"
    assert "Nothing was given up" in text(owning.post(address, {"action": "again"}, follow=True))
    hook.deliveries.update(state="failed")
    assert "no such delivery" in text(owning.post(address, {"action": "again", "delivery": "x"}, follow=True))
    services.change_webhook(webhook=hook, user=project.owner, is_active=False)
    later = owning.post(address, {"action": "again"}, follow=True)
    assert "It is sent again once the webhook is turned on." in text(later)
    services.change_webhook(webhook=hook, user=project.owner, is_active=True)
    assert owning.get(address, follow=True).redirect_chain == [(page, 302)], "what was refused is loaded again"
    hook.refresh_from_db()
    assert hook.is_active
    assert "Send again" not in text(owning.get(page))


def test_a_button_of_what_somebody_has_removed_leads_back_and_says_so(project: Project, owning: Client) -> None:
    rule = services.add_rule(project=project, user=project.owner, measure="gold_accuracy", threshold=0.5, action="warn")
    hook = services.add_webhook(project=project, user=project.owner, url="https://example.org/")
    key, _text = services.make_key(project=project, user=project.owner, name="shop", scopes=["predict"])
    place = f"/projects/{project.slug}/settings/"
    buttons = [f"{place}rules/{rule.pk}/", f"{place}webhooks/{hook.pk}/", f"{place}keys/{key.pk}/"]
    for address in [*buttons, *buttons]:
        page = owning.post(address, {"action": "remove"}, follow=True)
        assert page.redirect_chain == [(f"{address.rsplit('/', 2)[0]}/", 302)]
    for address in buttons:
        assert "is gone" in text(owning.post(address, {"action": "on"}, follow=True)), address
    assert AuditEntry.objects.filter(action__endswith="_removed").count() == 2


def test_what_is_removed_while_it_is_changed_is_refused(project: Project) -> None:
    rule = services.add_rule(project=project, user=project.owner, measure="gold_accuracy", threshold=0.5, action="warn")
    hook = services.add_webhook(project=project, user=project.owner, url="https://example.org/")
    Rule.objects.all().delete()
    Webhook.objects.all().delete()
    changes: list[Callable[[], object]] = [
        lambda: services.change_rule(rule=rule, user=project.owner, is_active=False),
        lambda: services.remove_rule(rule=rule, user=project.owner),
        lambda: services.change_webhook(webhook=hook, user=project.owner, is_active=False),
        lambda: services.remove_webhook(webhook=hook, user=project.owner),
    ]
    for change in changes:
        with pytest.raises(CrowdtuneError) as refused:
            change()
        assert (refused.value.code, refused.value.status) == ("not_found", 404)
    assert not AuditEntry.objects.filter(action__in=["rule_changed", "rule_removed", "webhook_removed"]).exists()


def test_a_webhook_of_no_address_is_refused_with_a_sentence(project: Project, owning: Client) -> None:
    long = "https://example.org/" + "x" * 500
    for address in ("ftp://x/", "https://", "http://[::1", "https://x.org:70000/", long):
        page = owning.post(f"/projects/{project.slug}/settings/webhooks/", {"url": address}, follow=True)
        assert "Expected an address that starts with" in text(page), address
    assert not Webhook.objects.exists()


def test_a_manager_is_offered_no_change_of_managers(
    project: Project, owning: Client, signed_in: Callable[[User | None], Client]
) -> None:
    manager, other = person("manager1"), person("manager2")
    for name in ("manager1", "manager2"):
        services.add_member(project=project, username=name, role="manager")
    pages = f"/projects/{project.slug}/workers/"
    address = f"{pages}{Membership.objects.get(project=project, user=other).pk}/"
    managing = signed_in(manager)
    assert 'value="manager">Manager</option>' in text(owning.get(pages))
    assert "Take out" in text(owning.get(address))
    assert '<option value="worker">' in text(managing.get(pages))
    assert "Take out" not in text(managing.get(address))
    managing.post(f"{address}change/", {"action": "remove"})
    assert Membership.objects.filter(project=project, user=other, role="manager").exists()


def test_an_owner_hands_a_project_over_by_choosing_one_of_its_managers(
    project: Project, owning: Client, signed_in: Callable[[User | None], Client]
) -> None:
    address = f"/projects/{project.slug}/settings/danger/"
    assert "There is none yet." in text(owning.get(address))
    managing = signed_in(person("manager1"))
    services.add_member(project=project, username="manager1", role="manager")
    assert "<option>manager1</option>" in text(owning.get(address))
    assert "Delete for good" not in text(managing.get(address))
    hand_over = {"path": f"/projects/{project.slug}/settings/owner/", "data": {"username": "manager1"}, "follow": True}
    assert "Only the owner hands a project over." in text(managing.post(**hand_over))
    assert "manager1 owns the project now." in text(owning.post(**hand_over))
    assert "Delete for good" in text(managing.get(address))
    assert "Delete for good" not in text(owning.get(address))


def test_a_project_whose_managers_have_only_keys_says_why_none_of_them_may_become_its_owner(
    project: Project, owning: Client
) -> None:
    services.add_member(project=project, username="of-a-crowd", role="manager")
    page = text(owning.get(f"/projects/{project.slug}/settings/danger/"))
    assert "Its managers get in by a key alone" in page
    assert "There is none yet." not in page


def test_who_asks_more_people_is_told_that_finished_tasks_stay_finished(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(images=1)
    address, told = f"/projects/{project.slug}/settings/", "Finished tasks stay finished."
    values = settings_of(project, owning)
    assert told not in text(owning.post(address, {**values, "judgments_max": 5}, follow=True))
    project.tasks.update(state="retired", retired_because="confident", open_slots=0)
    assert told in text(owning.post(address, {**values, "judgments_max": 6}, follow=True))
    assert told not in text(owning.post(address, {**values, "judgments_max": 4}, follow=True))


def test_a_project_is_deleted_only_by_its_typed_address_and_only_by_its_owner(
    project: Project, owning: Client, signed_in: Callable[[User | None], Client]
) -> None:
    address = f"/projects/{project.slug}/settings/danger/"
    manager = person("manager1")
    services.add_member(project=project, username="manager1", role="manager")
    signed_in(manager).post(address, {"name": project.slug})
    owning.post(address, {"name": "something else"})
    assert Project.objects.filter(pk=project.pk).exists()
    owning.post(address, {"name": project.slug})
    assert not Project.objects.filter(pk=project.pk).exists()
