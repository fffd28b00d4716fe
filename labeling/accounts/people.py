"""What people are called. A worker of an imported file has an account that only stands for a name: ``name@project``.

Such an account is nobody's to sign in with; the project's address in its name keeps it apart from real ones. Owners and
programs read the name that the file said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User

if TYPE_CHECKING:
    from labeling.models import Project


def account_of(name: str, slug: str) -> str:
    """The user name that stands for a worker of a file in one project."""
    return f"{name}@{slug}"[:150]


def stand_in(name: str, project: Project) -> User:
    """The account that stands for a worker of a file; it is made where there is none."""
    user, made = User.objects.get_or_create(
        username=account_of(name, project.slug), defaults={"first_name": name[:150], "is_active": False}
    )
    if made:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


def name_of(user: Any) -> str:
    """The user name, or the name that the account stands for."""
    username = str(user.username)
    return user.first_name if not user.is_active and username.startswith(f"{user.first_name}@") else username


def usernames(name: str, slug: str) -> list[str]:
    """Every user name that can mean this name in a project."""
    return [name, account_of(name, slug)]
