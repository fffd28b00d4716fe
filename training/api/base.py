"""What every view of this room's API does first: find the project, and refuse whom it must."""

from __future__ import annotations

from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from labeling.accounts import permissions
from labeling.accounts.permissions import Right
from labeling.models import Project


def project_of(request: Request, slug: str, right: Right) -> Project:
    """The project, if the caller has the right in it.

    Raises:
        NotFound: There is none, or the caller is a stranger to it.
        PermissionDenied: The caller's role does not allow this.
    """
    project = Project.objects.filter(slug=slug).first()
    if project is None:
        raise NotFound(_("There is no such project, or you are not a member of it."))
    permissions.require(request.user, project, right)
    return project
