"""Judgments become labels: at once with each answer, in full in the background; how far people agree; when to stop."""
