"""Label Studio beside us: its own database in the same PostgreSQL, 4 worker processes, the same people and answers.

Installed in a virtual environment of its own, since its dependencies are not ours::

    python -m venv /tmp/label-studio && /tmp/label-studio/bin/pip install label-studio gunicorn
    python -m bench.claims --label-studio /tmp/label-studio

What it would tell its makers is off. Accounts are made in its shell, as its own sign-up would; the project, its tasks
and all that is measured go through its API.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

WORKERS = 4
CHOICES = "abcdefghij"
CONFIG = (
    '<View><Image name="image" value="$image"/><Choices name="category" toName="image" choice="single">'
    + "".join(f'<Choice value="{choice}"/>' for choice in CHOICES)
    + "</Choices></View>"
)
_ACCOUNTS = """
import json, sys
from organizations.models import Organization
from users.models import User
count, into = {count}, {into!r}
owner = User.objects.create_user(email="owner@example.org", password="bench-claims")
organization = Organization.create_organization(created_by=owner, title="Bench")
organization.jwt.legacy_api_tokens_enabled = True
organization.jwt.save()
owner.active_organization = organization
owner.save()
tokens = [owner.auth_token.key]
for number in range(count):
    user = User.objects.create_user(email=f"person{{number}}@example.org", password="bench-claims")
    organization.add_user(user)
    user.active_organization = organization
    user.save()
    tokens.append(user.auth_token.key)
open(into, "w").write(json.dumps(tokens))
"""


class Site(NamedTuple):
    """How a person claims and answers here; see ``bench.claims.Crowdtune`` for ours."""

    project: int

    def claim(self) -> tuple[str, str, Any]:
        return "GET", f"/api/projects/{self.project}/next", None

    def submit(self, claimed: Any, answer: str) -> tuple[str, str, Any]:
        value = {"choices": [answer]}
        result = [{"from_name": "category", "to_name": "image", "type": "choices", "value": value}]
        return "POST", f"/api/tasks/{claimed['id']}/annotations/", {"result": result, "lead_time": 2.0}

    def task(self, claimed: Any) -> int:
        return int(claimed["id"])


def missing(venv: Path | None) -> str:
    """Why it cannot run beside us; empty when it can."""
    if venv is None:
        return "no --label-studio VENV was given"
    for program in ("label-studio", "gunicorn"):
        if not (venv / "bin" / program).exists():
            return f"{venv}/bin/{program} is not there: see the head of bench/label_studio.py"
    return ""


class LabelStudio:
    """One server of ``WORKERS`` processes on a free port; ``process`` is their parent."""

    def __init__(self, venv: Path, folder: Path, *, host: str, user: str, database: str, port: int) -> None:
        self.venv, self.folder, self.port = venv, folder, port
        folder.mkdir(parents=True, exist_ok=True)
        self.home = next(venv.glob("lib/python3*/site-packages/label_studio"))
        postgres = {"HOST": host, "USER": user, "NAME": database, "PORT": "5432", "PASSWORD": ""}
        self.environment = {
            **{name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "HOME"}},
            **{f"POSTGRE_{name}": value for name, value in postgres.items()},
            "DJANGO_DB": "default",
            "DJANGO_SETTINGS_MODULE": "core.settings.label_studio",
            "BASE_DATA_DIR": str(folder),
            "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
            "COLLECT_ANALYTICS": "False",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
            "LATEST_VERSION_CHECK": "False",
            "LOG_LEVEL": "ERROR",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, people: int) -> list[str]:
        """Migrate, make the accounts, serve; returns a token of the owner and one of each person."""
        tokens = self.folder / "tokens.json"
        self._manage("migrate", "-v", "0")
        self._manage("shell", "-c", _ACCOUNTS.format(count=people, into=str(tokens)))
        command = [str(self.venv / "bin" / "gunicorn"), "--workers", str(WORKERS), "--bind", f"127.0.0.1:{self.port}"]
        command += ["--chdir", str(self.home), "--timeout", "120", "--keep-alive", "60", "core.wsgi:application"]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        self._wait()
        return list(json.loads(tokens.read_text()))

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)

    def fill(self, token: str, tasks: int, wanted: int) -> Site:
        """A project of so many tasks that want so many annotations each."""
        body = {"title": f"Claims {tasks}", "label_config": CONFIG, "maximum_annotations": wanted}
        project = self._post("/api/projects/", token, body)["id"]
        for start in range(0, tasks, 1000):
            rows = [{"image": f"/bench/{number}.jpg"} for number in range(start, min(start + 1000, tasks))]
            self._post(f"/api/projects/{project}/import", token, rows)
        return Site(project)

    def _post(self, path: str, token: str, body: Any) -> Any:
        headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(asked, timeout=300) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.code} {error.read()[:500]!r}") from error

    def _manage(self, *arguments: str) -> None:
        python = shutil.which("python", path=str(self.venv / "bin"))
        command = [str(python), "manage.py", *arguments]
        found = subprocess.run(command, cwd=self.home, env=self.environment, capture_output=True, check=False)
        if found.returncode:
            raise RuntimeError(f"{arguments[0]} of Label Studio: {found.stderr.decode()[-2000:]}")

    def _wait(self) -> None:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=60).close()
            except OSError:
                time.sleep(0.5)
            else:
                return
        raise TimeoutError(f"Label Studio did not start within 180 s; see {self.folder / 'log'}")
