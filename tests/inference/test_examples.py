"""The programs that the serving page shows run as they are copied."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from inference.downloads.examples import examples

ANSWER = b'{"predictions": [{"categories": [{"category": "cat", "probability": 0.9}]}]}'


class Asked(BaseHTTPRequestHandler):
    """Answers who asks as the API is asked: by its address, with the token, and the photo as a form's file."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_asked = self.path == "/api/v1/projects/pets/predict/" and self.headers["Authorization"] == "Token 123"
        is_sent = b'name="image"; filename="photo.jpg"' in body and b"a photo" in body
        self.send_response(200 if is_asked and is_sent else 400)
        self.end_headers()
        self.wfile.write(ANSWER if is_asked and is_sent else b'{"error": {"message": "refused"}}')

    def log_message(self, *_args: object) -> None:
        """A program's output is looked at, and not the server's."""


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Asked)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("name", "file", "program"), [("Python", "ask.py", sys.executable), ("JavaScript", "ask.mjs", "node")]
)
def test_a_program_that_is_copied_asks_and_prints_the_answer(
    address: str, name: str, file: str, program: str, tmp_path: Path
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed here")
    (tmp_path / file).write_text({one.name: one.text for one in examples(address, "pets")}[name])
    (tmp_path / "photo.jpg").write_bytes(b"a photo")
    environment = {**os.environ, "CROWDTUNE_TOKEN": "123"}
    done = subprocess.run(
        [program, file], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "cat" in done.stdout, done.stderr
    assert done.returncode == 0
