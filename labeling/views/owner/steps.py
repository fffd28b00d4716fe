"""What an owner should do next, as lines of the overview."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.core.cache import cache
from django.db.models import Q
from django.utils.http import urlencode
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling import doubts
from labeling.accounts import people
from labeling.collecting import tasks, unseen
from labeling.models import Appeal, Membership, Project, Role

UNSEEN_SECONDS = 20  # how long it is kept for how many people tasks wait: it counts rows
MOST_NAMED = 3


@dataclass(frozen=True)
class Step:
    """One thing to do: what, where (empty where this person may not), and how it matters (warn, good or nothing)."""

    text: str
    url: str
    icon: str
    tone: str = ""


def next_steps(project: Project, *, manages: bool) -> list[Step]:
    """What an owner should look at, most pressing first; never empty."""
    at = f"/projects/{project.slug}"
    if project.archived_at:
        return [Step(_("Export the labels that there are"), f"{at}/labels/", "download", "good")]
    steps = [*_stopped(project, at, manages)]
    if project.jobs.live().filter(kind="import_images").exists():
        steps.append(Step(_("Images are on their way in: see how far they are"), f"{at}/images/", "upload"))
    elif not project.image_count:
        return [*steps, Step(_("Add the first images"), f"{at}/images/", "upload", "warn")]
    if manages:
        steps += [*_waiting(project, at), *_far_behind(project, at)]
    if not project.judgment_count:
        steps += _to_begin(project, at, manages)
    steps += _unclear(project, at)
    disputed = tasks.disputed_count(project)
    if disputed:
        steps.append(Step(_say_disputed(disputed), f"{at}/review/", "gavel"))
    is_finished = project.task_count and project.retired_count == project.task_count
    if manages and not is_finished and _lacks_gold(project):
        text = _(
            "Give some known answers as gold: they show how good workers are, and how far to trust labels. Choose"
            " images that you are sure of, then what they show"
        )
        steps.append(Step(text, f"{at}/images/", "award"))
    if is_finished:
        steps += _ended(project, at, manages)
    if not steps:
        steps.append(Step(_("Nothing waits for you. Label a few yourself"), f"/label/{project.slug}/", "tag", "good"))
    return steps


def _stopped(project: Project, at: str, manages: bool) -> Iterator[Step]:
    """What keeps people from labeling."""
    settings = f"{at}/settings/" if manages else ""
    if project.is_spent:
        text = _("The budget is spent: nobody is handed a task until it is raised")
        yield Step(text, settings and f"{settings}#id_budget", "coins", "warn")
    elif manages and project.budget is not None and not project.price_per_judgment:
        text = _("A judgment has no price, so the budget is never spent: give it one")
        yield Step(text, f"{settings}#id_price_per_judgment", "coins", "warn")
    if project.is_paused:
        yield Step(_("The project is paused: nobody is handed a task"), settings, "pause", "warn")
    appeals = Appeal.objects.filter(membership__project=project, state=Appeal.State.OPEN).count() if manages else 0
    if appeals:
        text = ngettext("%d paused worker asks to go on", "%d paused workers ask to go on", appeals) % appeals
        yield Step(text, f"{at}/workers/", "hand", "warn")


def _waiting(project: Project, at: str) -> Iterator[Step]:
    """Where tasks want more people than there are."""
    if project.is_paused or project.is_spent or project.archived_at or not project.judgment_count:
        return
    if project.jobs.live().filter(kind="follow_bounds").exists():
        return  # tasks are on their way to what was set last
    if unseen.too_few_verify(project):
        text = _("Boxes wait to be verified by somebody other than the person who drew them: invite more people")
        yield Step(text, f"{at}/workers/", "users", "warn")
        yield from _with_who_is_there(project, at)
        return
    waiting = cache.get_or_set(f"unseen:{project.pk}", lambda: unseen.by_all(project), UNSEEN_SECONDS) or 0
    if not waiting:
        return
    if waiting > unseen.MOST_COUNTED:
        told = _("More than %d tasks wait for a person who has not seen them") % unseen.MOST_COUNTED
    else:
        told = (
            ngettext(
                "%d task waits for a person who has not seen it",
                "%d tasks wait for a person who has not seen them",
                waiting,
            )
            % waiting
        )
    yield Step(_("%(what)s: invite more people") % {"what": told}, f"{at}/workers/", "users", "warn")
    yield from _with_who_is_there(project, at)


def _with_who_is_there(project: Project, at: str) -> Iterator[Step]:
    """What else ends tasks that wait for more people."""
    if unseen.are_spare(project):
        yield Step(_("Or label them yourself"), f"/label/{project.slug}/", "tag")
    most = unseen.most_heard(project)
    if not 0 < most < project.judgments_max:  # then somebody has asked for more about these tasks
        return
    text = ngettext(
        "Or ask at most %d person per task: tasks that have the answer then end with it",
        "Or ask at most %d people per task: tasks with so many answers then end, and those not sure wait in Review",
        most,
    )
    field = "id_judgments_max" if most >= project.judgments_min else "id_judgments_min"
    yield Step(text % most, f"{at}/settings/#{field}", "settings")
    if project.jobs.filter(kind__in=["import_judgments", "import_labels"], state="succeeded").exists():
        text = _("Or, if the answers that you brought in are known to be right, bring them in as gold")
        yield Step(text, f"{at}/labels/", "award")


def _far_behind(project: Project, at: str) -> Iterator[Step]:
    """The people whose answers are worth much less than the others', by name."""
    members = doubts.far_behind(project)
    if not members:
        return
    who = ", ".join(people.name_of(member.user) for member in members[:MOST_NAMED])
    if len(members) > MOST_NAMED:
        who = _("%(names)s and %(n)d more") % {"names": who, "n": len(members) - MOST_NAMED}
    told = ngettext(
        "%(who)s is right far less often than the others: look at the answers, then pause the person or count them for "
        "nothing",
        "%(who)s are right far less often than the others: look at the answers, then pause them or count them for "
        "nothing",
        len(members),
    )
    one = f"{members[0].pk}/" if len(members) == 1 else "?role=behind&order=accuracy"
    yield Step(told % {"who": who}, f"{at}/workers/{one}", "users", "warn")


def _unclear(project: Project, at: str) -> Iterator[Step]:
    """The questions that people read differently."""
    for question in doubts.unclear(project)[:MOST_NAMED]:
        text = _(
            "On “%(question)s” people agree hardly more often than by chance: ask it more clearly, or give examples"
        )
        query = urlencode({"question": question.key, "order": "confidence"})
        prompt = Truncator(question.prompt).chars(60)
        yield Step(text % {"question": prompt}, f"{at}/labels/?{query}", "circle-alert", "warn")


def _to_begin(project: Project, at: str, manages: bool) -> Iterator[Step]:
    """Where nobody has answered yet."""
    if manages and not project.instructions:
        yield from _to_explain(project, at)
    if manages and not Membership.objects.filter(project=project, role=Role.WORKER).exists():
        is_open = project.access == Project.Access.OPEN
        text = _("Invite people to label") if is_open else _("Invite people to label, or open the project to everyone")
        yield Step(text, f"{at}/workers/", "users")
    text = _("Label the first few yourself, to see what people will be asked")
    yield Step(text, f"/label/{project.slug}/", "tag")
    if manages and not project.gold_count:
        yield Step(_("Bring in labels that you have already"), f"{at}/labels/", "upload")


def _to_explain(project: Project, at: str) -> Iterator[Step]:
    """Where people are told nothing but the question."""
    categories = project.categories.all()
    if not categories:
        text = _("Tell people what counts and what does not, in instructions that they read first")
        yield Step(text, f"{at}/settings/#id_instructions", "book-open")
    elif not categories.filter(~Q(description="") | Q(examples__isnull=False)).exists():
        text = _("Say what counts as what: people see a description and example images of each category")
        yield Step(text, f"{at}/settings/categories/", "book-open")


def _say_disputed(number: int) -> str:
    if number > tasks.MOST_COUNTED:
        return _("More than %d disputed tasks wait for your decision") % tasks.MOST_COUNTED
    told = ngettext("%d disputed task waits for your decision", "%d disputed tasks wait for your decision", number)
    return told % number


def _lacks_gold(project: Project) -> bool:
    """Whether known answers could be given; gold of the three stages is made by itself."""
    return not project.gold_count and not project.in_stages


def _ended(project: Project, at: str, manages: bool) -> Iterator[Step]:
    """Where every task is finished."""
    is_spent = project.is_spent
    text = _("Export the labels that there are") if is_spent else _("Every task is finished: export the labels")
    yield Step(text, f"{at}/labels/", "download", "good")
    if manages and not is_spent and project.primary_question():
        yield Step(_("Add more images, if they are too few for a good model"), f"{at}/images/", "upload")
