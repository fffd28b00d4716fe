#!/usr/bin/env python
"""Any Django command; ``manage.py up`` runs the whole platform on one machine."""

import os
import sys

from config.env import EnvError

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except EnvError as error:
        sys.exit(f"crowdtune: {error}")
