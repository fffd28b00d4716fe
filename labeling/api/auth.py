"""Name and password for a key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import authenticate
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import Throttled
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from labeling.accounts import people, tries
from labeling.accounts.keys import create_key
from labeling.api.base import parsed
from labeling.errors import CrowdtuneError

LIFETIME = timedelta(days=30)


class CredentialsSerializer(serializers.Serializer):
    takes_more = True  # nobody is kept out for what a program sends beside these
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)


class TokenSerializer(serializers.Serializer):
    token = serializers.CharField(help_text="Shown once; send it as `Authorization: Token <token>`.")
    expiry = serializers.DateTimeField()


class TokenView(APIView):
    """Exchange a name and a password for a key of 30 days. It ends with the password.

    At most 20 wrong tries a minute from one address, and 8 in five minutes at one account from all addresses where its
    person has not signed in before.
    """

    authentication_classes: list[type[BaseAuthentication]] = []
    permission_classes = [AllowAny]
    throttle_classes: list[type[BaseThrottle]] = []  # many who know their passwords may share an address

    @extend_schema(
        operation_id="create_token", tags=["account"], auth=[], request=CredentialsSerializer, responses=TokenSerializer
    )
    def post(self, request: Request) -> Response:
        given = parsed(CredentialsSerializer, request)
        given["username"] = people.plain_name(given["username"])
        if seconds := tries.wait(request, given["username"]):
            raise Throttled(seconds)
        user: Any = authenticate(request._request, username=given["username"], password=given["password"])
        if user is None:
            tries.count(request, given["username"])
            raise CrowdtuneError("bad_credentials", _("The name and the password do not match."), 401)
        tries.remember_address(request, user)
        row, key = create_key(user=user, name="token", lifetime=LIFETIME, ends_with_password=True)
        return Response({"token": key, "expiry": row.expires_at})
