"""Every address, room by room."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config import health, metrics
from inference import urls as inference_urls
from inference.api.extension import SERVING
from labeling import page_urls as labeling_pages
from labeling.api import routes as labeling_api
from labeling.api.extensions import ProjectExtension
from training import urls as training_urls
from training.api.extension import POLICY

handler400 = "config.handlers.bad_request"
handler403 = "config.handlers.permission_denied"
handler404 = "config.handlers.page_not_found"
handler500 = "config.handlers.server_error"

# What higher rooms keep of a project, handed down so that labeling need not know the rooms.
PROJECT_EXTENSIONS: list[ProjectExtension] = [POLICY, SERVING]

# Staff sign in where all do: there, tries are limited and a password cannot be guessed for ever.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    # For who opens an answer of the API, or a fragment of a page, which name no icon.
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}img/logo.svg")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("admin/", admin.site.urls),
    # Who has set a password anew signs in with it, where a message says so: a page of its own would say it twice.
    path("accounts/password/reset/key/done/", RedirectView.as_view(pattern_name="account_login")),
    path("accounts/", include("allauth.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    # The page and its script are two answers, so that no script is inline. It has no template for an answer to OPTIONS.
    path("api/docs/", SpectacularSwaggerSplitView.as_view(http_method_names=["get", "head"]), name="api-docs"),
    path("api/v1/", include(labeling_api.routes(PROJECT_EXTENSIONS))),
    path("api/v1/", include(training_urls.api_urlpatterns)),
    path("api/v1/", include(inference_urls.api_urlpatterns)),
    path("", include(inference_urls.v2_urlpatterns)),
    path("", include(labeling_pages.pages(PROJECT_EXTENSIONS))),
    path("", include(training_urls.urlpatterns)),
    path("", include(inference_urls.urlpatterns)),
]
