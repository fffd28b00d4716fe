"""Every refusal of the API in one shape: ``{"error": {"code": …, "message": …, "fields": {…}}}``.

Room errors (``labeling.errors.CrowdtuneError``) carry their own code and status; Django REST framework's exceptions
are translated; anything else is a bug, logged with its traceback and answered by a plain 500 in the same shape.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from rest_framework import exceptions, views
from rest_framework.response import Response

from config.middleware.request_log import request_id
from labeling.errors import CrowdtuneError, refusal
from labeling.models import Project
from labeling.resilience import outages
from labeling.resilience.turns import Crowded

logger = logging.getLogger(__name__)

CODES = {
    400: "bad_request",
    401: "not_authenticated",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    411: "length_required",
    413: "too_large",
    415: "unsupported_media_type",
    429: "throttled",
    500: "internal_error",
    503: "unavailable",
    507: "disk_full",
}


class MailError(Exception):
    """The server of EMAIL_URL did not take a mail."""


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Django REST framework's hook: any exception of an API view -> the contract's answer."""
    if isinstance(error, CrowdtuneError):
        return Response(error.as_json(), status=error.status)
    if isinstance(error, RecursionError):  # Python's reader of JSON, on a body of brackets
        error = exceptions.ParseError("The body is nested too deeply.")
    if isinstance(error, DjangoValidationError):
        error = exceptions.ValidationError(
            error.message_dict if hasattr(error, "error_dict") else {"non_field_errors": error.messages}
        )
    if isinstance(error, Project.DoesNotExist):  # deleted since the request began
        error = exceptions.NotFound(_("There is no such project, or you are not a member of it."))
    if outages.is_gone(error):
        return Response(shape(CODES[409], _gone()), status=409)
    response = views.exception_handler(error, context)
    if response is None:
        return None
    response.data = _translate(_plainly(error, context), response)
    for name, value in getattr(error, "headers", {}).items():
        response[name] = value
    return response


def _plainly(error: Exception, context: dict[str, Any]) -> Exception:
    """The framework says what cannot be; whoever calls needs to know what can."""
    view = context["view"]
    if isinstance(error, exceptions.UnsupportedMediaType) and view is not None:
        told = _('The body came as "%(came)s"; this call takes %(taken)s. Send one of these, named by Content-Type.')
        taken = ", ".join(parser.media_type for parser in view.parser_classes)
        return exceptions.UnsupportedMediaType("", told % {"came": context["request"].content_type, "taken": taken})
    if isinstance(error, exceptions.NotAcceptable) and view is not None:
        told = _("This call answers by %(given)s, which the Accept header leaves out.")
        return exceptions.NotAcceptable(told % {"given": ", ".join(one.media_type for one in view.renderer_classes)})
    if isinstance(error, exceptions.MethodNotAllowed) and view is not None:
        told = _("%(came)s came; this address takes %(taken)s.")
        taken = ", ".join(view.allowed_methods)
        return exceptions.MethodNotAllowed("", told % {"came": context["request"].method, "taken": taken})
    if isinstance(error, exceptions.NotAuthenticated):
        told = _("Send `Authorization: Token <key>`; POST /api/v1/auth/token/ gives a key for a name and a password.")
        return exceptions.NotAuthenticated(told)
    return error


def shape(code: str, message: str, fields: dict[str, Any] | None = None) -> dict[str, Any]:
    return refusal(code, message, fields or {})


def _translate(error: Exception, response: Response) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        fields = _fields(error.detail)
        return shape("invalid", _first_message(fields), fields)
    if isinstance(error, Http404):
        return shape("not_found", _("There is nothing here that you may see. Check the address and your key's rights."))
    if isinstance(error, PermissionDenied):
        return shape("permission_denied", str(error) or _("Your role does not allow this."))
    if isinstance(error, exceptions.Throttled):
        seconds = getattr(error, "wait", None)
        told = _("Too many requests. Try again in %(seconds)s seconds.") if seconds else _("Too many requests.")
        return shape("throttled", told % {"seconds": f"{seconds or 0:.0f}"})
    if isinstance(error, exceptions.APIException):
        code = error.get_codes()
        return shape(code if isinstance(code, str) else CODES.get(response.status_code, "error"), str(error.detail))
    return shape(CODES.get(response.status_code, "error"), str(error))


def _fields(detail: Any) -> dict[str, list[str]]:
    found = detail if isinstance(detail, dict) else {"non_field_errors": detail}
    return {str(name): list(_told(problem)) for name, problem in found.items()}


def _told(problem: Any, where: str = "") -> Iterator[str]:
    """What is wrong, in sentences; that of a part begins with the part's name, or its place in a list, from 0."""
    if isinstance(problem, dict):
        for name, part in problem.items():
            yield from _told(part, where if name == "non_field_errors" else f"{where}{name}: ")
    elif isinstance(problem, list):
        for number, part in enumerate(problem):
            yield from _told(part, f"{where}{number}: " if isinstance(part, dict) else where)
    else:
        yield f"{where}{problem}"


def _first_message(fields: dict[str, list[str]]) -> str:
    """One sentence for a person: the first field that is wrong, and why."""
    name, problem = next(((name, told[0]) for name, told in fields.items() if told), ("", ""))
    if not name:
        return _("The body is not valid.")
    return problem if name == "non_field_errors" else f"{name}: {problem}"


def is_api(request: HttpRequest) -> bool:
    return request.path.startswith(("/api/", "/v2"))


def plain(request: HttpRequest, status: int, message: str) -> HttpResponse:
    """For refusals that never reach a view of the API: in the contract's shape, or in the Open Inference Protocol's."""
    is_protocol = request.path.startswith("/v2")
    return JsonResponse({"error": message} if is_protocol else shape(CODES[status], message), status=status)


def too_much(error: Exception) -> tuple[int, str] | None:
    """Status and words for a form that is larger than one request may be; None for another fault."""
    if isinstance(error, TooManyFilesSent):
        told = _("At most %(most)s files are accepted per request. Send the rest in another, or all as an archive.")
        return 413, told % {"most": settings.DATA_UPLOAD_MAX_NUMBER_FILES}
    if isinstance(error, TooManyFieldsSent):
        told = _("At most %(most)s fields are accepted per form. Send JSON instead.")
        return 413, told % {"most": settings.DATA_UPLOAD_MAX_NUMBER_FIELDS}
    if isinstance(error, RequestDataTooBig):
        told = _("At most %(most)s MB are accepted per request, besides its files.")
        return 413, told % {"most": settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 2**20}
    return None


def outage(error: BaseException | None) -> tuple[int, str] | None:
    """Status and words for what is no fault of ours; None where it is."""
    if outages.is_gone(error):
        return 409, _gone()
    if isinstance(error, Crowded):
        return 503, _("Too many files are on their way. Try this again in a moment.")
    if outages.is_full(error):
        return 507, _("The disk is full, so this was not kept. Tell whoever runs this platform, then try again.")
    if outages.database_is_away(error):
        return 503, _("The database does not answer. Try again in a moment.")
    if outages.store_is_away(error):
        return 503, _("The store of files does not answer. Try again in a moment.")
    if outages.store_refuses(error):
        return 503, _("The store of files refuses this. Tell whoever runs this platform: its log says why.")
    if isinstance(error, MailError):
        return 503, _("No mail can be sent just now. Try again in a moment, or ask whoever runs this platform.")
    return None


def _gone() -> str:
    return _("Somebody deleted this at the same moment, so there is nothing left to change.")


def internal_message() -> str:
    told = _("Something broke on our side. It is in the log as request %(request)s.")
    return told % {"request": request_id.get()}
