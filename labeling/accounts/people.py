"""What people are called. A worker of an imported file has an account that only stands for a name: ``name@project``.

Such an account is nobody's to sign in with; the project's address in its name keeps it apart from real ones. Owners and
programs read the name that the file said.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator

from labeling.text.words import gettext as _

if TYPE_CHECKING:
    from labeling.models import Project

# Signs and letters that nobody sees: two names that differ by them alone look the same.
UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
SIGN = "\0"


def plain_name(typed: str) -> str:
    """A user name as accounts have it: written in other characters that look the same (full-width letters, a letter and
    its dot apart or as one) it is the same name, at sign-up, at sign-in and where somebody is added.

    An account that was stored otherwise before keeps its name. Source: Unicode Standard Annex #15 (NFKC), as Django's
    own forms do.
    """
    plain = unicodedata.normalize("NFKC", typed)
    return typed if typed != plain and User.objects.filter(username=typed).exists() else plain


def known_as(name: str) -> User | None:
    """The account of the name; a person's also where it is written with other capitals, as at sign-up and sign-in: a
    second one, beside it, would be added in the person's stead, and end signing in with any but one's own capitals.

    The workers of an outside crowd, who have no password, may differ by their capitals alone.
    """
    accounts = list(User.objects.filter(username__iexact=name))
    exact = [user for user in accounts if user.username == name]
    persons = [user for user in accounts if user.has_usable_password()]
    return exact[0] if exact else persons[0] if len(persons) == 1 else None


def check_name(name: str) -> None:
    """Whether an account may have the name: Django's rule, and a letter's vowel and other signs (up to three), without
    which most names of Hindi, Tamil or Thai cannot be written.

    Addresses name people (``…/workers/<name>/``), and a client takes . and .. for the folders they are elsewhere:
    what was meant to take such a worker out of a project would delete the project.

    Raises:
        ValidationError: It may not.
    """
    letters = pairwise(f" {UNSEEN.sub(' ', name)}")  # a sign twice lies on itself: nobody sees that either
    signs = (SIGN if unicodedata.category(one) in {"Mn", "Mc"} and one != last else one for last, one in letters)
    UnicodeUsernameValidator()(re.sub(rf"(?<=\w){SIGN}{{1,3}}", "", "".join(signs)))
    if name in {".", ".."}:
        raise ValidationError(_("A name cannot be . or .. alone: in an address these lead elsewhere."))


NAME_CHECKS: list[Callable[[str], None]] = [MaxLengthValidator(User._meta.get_field("username").max_length), check_name]


def account_of(name: str, slug: str) -> str:
    """The user name that stands for a worker of a file in one project."""
    return f"{name}@{slug}"[:150]


def spare_of(name: str, slug: str) -> str:
    """As ``account_of``, where somebody has signed up by that name: with a letter that no sign-up takes."""
    return f"{account_of(name, slug)[:149]}#"


def stands_for(user: User, name: str) -> bool:
    """Whether the account is nobody's, and stands for this name."""
    return not user.is_active and user.first_name == name[:150] and not user.has_usable_password()


def stand_in(name: str, project: Project) -> User:
    """The account that stands for a worker of a file; it is made where there is none."""
    values = {"first_name": name[:150], "is_active": False, "password": make_password(None)}
    for username in (account_of(name, project.slug), spare_of(name, project.slug)):
        user = User.objects.get_or_create(username=username, defaults=values)[0]
        if stands_for(user, name):
            break
    return user


def name_of(user: Any) -> str:
    """The user name, or the name that the account stands for."""
    username = str(user.username)
    return user.first_name if not user.is_active and username.startswith(f"{user.first_name}@") else username


def usernames(name: str, slug: str) -> list[str]:
    """Every user name that can mean this name in a project."""
    return [name, account_of(name, slug), spare_of(name, slug)]
