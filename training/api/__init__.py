"""The training room's part of the REST API: runs, versions, the zoo."""
