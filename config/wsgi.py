"""The door of the web server."""

from __future__ import annotations

import gc
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from config.charsets import Charsets
from config.patience import Patience

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# What is loaded here stays: looking through it for garbage was a tenth of the start, and later of every first request.
gc.disable()
application = Patience(Charsets(get_wsgi_application()), settings.WEB_THREADS)
gc.freeze()
gc.enable()
