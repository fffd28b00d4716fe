"""The labeling room as a Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext

from labeling.text import words


class LabelingConfig(AppConfig):
    name = "labeling"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        words.translate_with(gettext)
