"""The REST API of the labeling room: one file a theme, addresses in ``labeling.api.routes``.

Views parse, call a verb of ``labeling.services`` and render. Every refusal is a CrowdtuneError or an exception of
Django REST framework; the wiring turns both into the contract's one shape.

**Higher rooms add fields to a project's body** (``backbone``, ``recipe``, … belong to training) without labeling
knowing them: a room writes a ``labeling.api.extensions.ProjectExtension`` (serializer fields, ``read(project)``,
``write(project, user, values)``) and ``config/urls.py`` hands the literal list of them to ``routes(extensions)``. The
fields then are in the body, in the answer and in the OpenAPI schema, and are written in the same transaction. See
docs/decisions/0003-project-extensions.md.
"""
