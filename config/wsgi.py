"""The door of the web server."""

from __future__ import annotations

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# What is loaded here stays: looking through it for garbage was a tenth of the start, and later of every first request.
gc.disable()
application = get_wsgi_application()
gc.freeze()
gc.enable()
