"""The public contract as a handful of calls, for the measurements that look at Crowdtune from outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import httpx


class Api:
    """One person's or program's view of a running Crowdtune.

    Args:
        url: Where it answers, for instance ``http://127.0.0.1:8000``.
        token: An API key; None for a stranger.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout: float = 120) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Token {token}"} if token else {}
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout)

    @classmethod
    def sign_in(cls, url: str, username: str, password: str) -> Api:
        answer = httpx.post(
            f"{url.rstrip('/')}/api/v1/auth/token/", json={"username": username, "password": password}, timeout=30
        )
        answer.raise_for_status()
        return cls(url, answer.json()["token"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.http.close()

    def send(self, method: str, path: str, **rest: Any) -> httpx.Response:
        return self.http.request(method, f"/api/v1/{path}", **rest)

    def call(self, method: str, path: str, **rest: Any) -> Any:
        answer = self.send(method, path, **rest)
        if answer.status_code >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:400]}")
        return answer.json() if answer.content else None

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        page = self.call("GET", path)
        while True:
            yield from page["results"]
            if not page["next"]:
                return
            page = self.call("GET", page["next"].split("/api/v1/", 1)[1])

    def upload(self, slug: str, files: Sequence[Path], *, batch: int = 50) -> None:
        """Send files and wait until each of the imports has ended."""
        for start in range(0, len(files), batch):
            parts = [("files", (file.name, file.read_bytes())) for file in files[start : start + batch]]
            self.wait_for_job(self.call("POST", f"projects/{slug}/images/", files=parts)["job"])

    def wait_for_job(self, job: Any, *, patience: float = 600) -> dict[str, Any]:
        key = job if isinstance(job, str) else job["id"]
        state = wait_until(
            lambda: ended(self.call("GET", f"jobs/{key}/")), patience=patience, what=f"the job {key} to end"
        )
        if state["state"] != "succeeded":
            raise RuntimeError(f"job {key} {state['state']}: {state['message']} {state['errors'][:3]}")
        return state


def ended(row: dict[str, Any]) -> dict[str, Any] | None:
    return row if row["state"] in {"succeeded", "failed", "cancelled"} else None


def wait_until(look: Callable[[], Any], *, patience: float, what: str, pause: float = 0.5) -> Any:
    """Ask until the answer is not None or False.

    Raises:
        TimeoutError: It did not come true within ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(pause)
    raise TimeoutError(f"waited {patience:.0f} s for {what}")
