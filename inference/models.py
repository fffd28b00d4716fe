"""The rows of the inference room: which version answers, and what it said about stored images."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class Deployment(models.Model):
    """The version that answers for a project. ``generation`` grows by one at each change: processes compare it."""

    project = models.OneToOneField("labeling.Project", models.CASCADE, related_name="+", primary_key=True)
    version = models.ForeignKey("training.ModelVersion", models.PROTECT, related_name="+")
    generation = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")


class Prediction(models.Model):
    """What one version says about one stored image: the pool's scores, and their uncertainty."""

    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="+")
    image = models.ForeignKey("labeling.Image", models.CASCADE, related_name="+")
    version = models.ForeignKey("training.ModelVersion", models.CASCADE, related_name="+")
    category = models.CharField(max_length=100)
    probability = models.FloatField()
    uncertainty = models.FloatField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["image", "version"], name="prediction_once")]
        indexes = [models.Index(fields=["project", "version", "-uncertainty"])]
