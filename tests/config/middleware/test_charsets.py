"""A body in whatever charset is read or refused, and breaks nothing."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults

import pytest
from django.test.client import encode_multipart

from config.middleware.charsets import Charsets, without

pytestmark = pytest.mark.django_db
GUESS = {"username": "ada", "password": "wrong"}
BODIES = {
    "application/json": json.dumps(GUESS).encode(),
    "multipart/form-data; boundary=b": encode_multipart("b", GUESS),
    "application/x-www-form-urlencoded": urlencode(GUESS).encode(),
}


def posted(client: Any, address: str, kind: str, body: bytes) -> int:
    """The status of what is sent through the door; the test client alone goes round it."""
    path, _mark, query = address.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST", "PATH_INFO": path, "QUERY_STRING": query, "wsgi.input": io.BytesIO(body),
        "CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body)), "REMOTE_ADDR": "127.0.0.1",
    }  # fmt: skip
    setup_testing_defaults(environ)
    (answer,) = Charsets(lambda settled, _start: [client.handler(settled)])(environ, None)
    return int(answer.status_code)


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("charset", ["hex", "bz2", "undefined", "idna", "punycode", "unicode_escape", "no-such-one"])
def test_a_body_in_a_charset_that_nobody_writes_in_is_read_as_utf_8(client, kind, charset):
    assert posted(client, "/api/v1/auth/token/?next=a", f"{kind}; charset={charset}", BODIES[kind]) == 401
    assert posted(client, "/i18n/setlang/?a=b", f"{kind}; charset={charset}", BODIES[kind]) == 302


@pytest.mark.parametrize("more", ["x*=hex''b", "charset*=nope''utf-8", 'charset=";"'])
def test_a_type_that_cannot_be_read_breaks_nothing(client, more):
    for kind, body in BODIES.items():
        assert posted(client, "/api/v1/auth/token/", f"{kind}; {more}", body) == 401


def test_charsets_that_people_write_in_are_left_to_django():
    application = Charsets(lambda environ, _start: [environ["CONTENT_TYPE"]])
    kinds = [f"application/json; charset={name}" for name in ("UTF-8", '"utf8"', "us-ascii", "ISO-8859-1", "latin1")]
    for kind in [*kinds, "text/plain", "multipart/form-data; boundary=charset"]:
        assert list(application({"CONTENT_TYPE": kind}, None)) == [kind]


def test_what_remains_of_a_type_is_what_is_needed_to_read_the_body():
    assert without("application/json; charset=hex") == "application/json"
    assert without('Multipart/form-data; charset=hex; Boundary="a;b"; x=y') == 'Multipart/form-data; Boundary="a;b"'
