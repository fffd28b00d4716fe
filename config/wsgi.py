"""The door of the web server."""

from __future__ import annotations

import gc
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.wsgi import get_wsgi_application

from config.middleware.charsets import Charsets
from config.processes.patience import Patience
from labeling.resilience import outside

# What is loaded here stays: looking through it for garbage was a tenth of the start, and later of every first request.
gc.disable()
application = Patience(Charsets(get_wsgi_application()), outside.ANY, outside.half())
gc.freeze()
gc.enable()
