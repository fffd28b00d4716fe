"""The part of the API that answers, and that says how a project serves."""
