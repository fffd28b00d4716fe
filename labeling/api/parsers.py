"""Django REST framework's parsers of bodies, refusing what no row could keep; see ``labeling.text.bodies``."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.datastructures import MultiValueDict
from rest_framework import parsers
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.fields import BooleanField, empty

from labeling.text import bodies
from labeling.text.words import clause
from labeling.text.words import gettext as _

# A form of a program leaves out what it does not set; that of a page leaves out what is not ticked, and we have none.
BooleanField.default_empty_html = empty


class JSONParser(parsers.JSONParser):
    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        encoding = (parser_context or {}).get("encoding", settings.DEFAULT_CHARSET)
        try:
            return bodies.loads(stream.read().decode(encoding))
        except bodies.Unstorable as error:
            raise _refusal(error) from error
        except ValueError as error:
            raise ParseError(_("That is not valid JSON (%(error)s).") % {"error": clause(error)}) from error


class FormParser(parsers.FormParser):
    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        data = super().parse(stream, media_type, parser_context)
        _check(data)
        return data


class MultiPartParser(parsers.MultiPartParser):
    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        if "boundary=" not in (media_type or ""):
            raise ParseError(
                _("Content-Type names no boundary. Leave that header to your HTTP library, which sets both.")
            )
        found = super().parse(stream, media_type, parser_context)
        try:
            bodies.check(found.data.lists())
        except bodies.Unstorable as error:
            if error.field:
                told = _("%(error)s If it is a file, send it with a file name: without one it is read as text.")
                raise ValidationError({error.field: [told % {"error": error}]}) from error
            raise _refusal(error) from error
        return found


class BodyParser(parsers.FileUploadParser):
    """A file that is the whole body, as ``curl --data-binary`` sends it, of whatever type; it need not have a name."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        found = super().parse(stream, media_type, parser_context)
        found.files = MultiValueDict({"file": [found.files["file"]]})  # as a form brings files
        return found

    def get_filename(self, stream: Any, media_type: Any, parser_context: Any) -> str:
        return super().get_filename(stream, media_type, parser_context) or "file"


def _check(data: Any) -> None:
    try:
        bodies.check(data.lists())
    except bodies.Unstorable as error:
        raise _refusal(error) from error


def _refusal(error: bodies.Unstorable) -> ValidationError:
    return ValidationError({error.field or "non_field_errors": [str(error)]})
