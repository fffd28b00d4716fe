"""A bare Django view around ``keras.predict`` or OpenVINO: what most projects begin with. No accounts, no database."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from bench.serving.model import answer, decode, load

model: Any = load()


@csrf_exempt
def predict(request: HttpRequest) -> JsonResponse:
    return JsonResponse(answer(model(decode(request.FILES["image"].read())[None])[0]))


settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="bench", DEBUG=False)
django.setup()
urlpatterns = [path("predict", predict)]
application = get_wsgi_application()
