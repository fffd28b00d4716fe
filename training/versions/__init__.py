"""What a finished classifier is worth: which version answers, whether a new one may, and its card."""
