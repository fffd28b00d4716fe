"""From the last label to a live champion: how long, with a warm trainer, on a running Crowdtune.

A project of ``--images`` pictures (two categories, drawn here) is uploaded and embedded, all but its last label are
there, and the policy waits for exactly one more. A person then answers the last task through the API; the clock runs
until ``predict/`` names a model version. Nothing but the public contract is used:

    python -m bench.last_label --url http://127.0.0.1:8000 --username admin --password … [--images 2000]
"""

from __future__ import annotations

import argparse
import base64
import io
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from bench.api import Api, wait_until

KINDS = ("circle", "square")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--username", default="admin")
    parser.add_argument("--password", required=True)
    parser.add_argument("--images", type=int, default=2000)
    arguments = parser.parse_args()
    api = Api.sign_in(arguments.url, arguments.username, arguments.password)
    print(f"{'images':>8}{'what':>34}{'seconds':>10}")
    for count, what in ((60, "first run of a cold trainer"), (arguments.images, "warm trainer")):
        seconds, parts = measure(api, count)
        print(f"{count:8}{what:>34}{seconds:10.2f}   {parts}")


def measure(api: Api, count: int) -> tuple[float, str]:
    """Seconds from the answer that completes the labels to an answer of the champion, and the run's own parts."""
    slug = api.call("POST", "projects/", json=body(count))["slug"]
    with tempfile.TemporaryDirectory() as folder:
        files = [drawn(Path(folder), number) for number in range(count)]
        api.upload(slug, files, batch=100)
    rows = "image,worker,answer\n" + "".join(
        f"{number:05}.png,judge,{KINDS[number % 2]}\n" for number in range(count - 1)
    )
    job = api.call("POST", f"projects/{slug}/judgments/import/", files={"file": ("labels.csv", rows.encode())})
    api.wait_for_job(job["job"])
    wait_until(
        lambda: api.call("GET", f"projects/{slug}/training-runs/next/")["new_labels"] == count - 1,
        patience=300,
        what="all labels but one to be final",
    )
    time.sleep(max(10.0, count / 50))  # the background embeds what was uploaded
    api.call(
        "PATCH",
        f"projects/{slug}/training-policy/",
        json={"automatic_training": True, "min_new_labels": count, "max_age_hours": None},
    )
    lease = api.call("POST", f"projects/{slug}/assignments/")
    answer = KINDS[int(lease["image"]["name"][:5]) % 2] if "name" in lease["image"] else KINDS[(count - 1) % 2]
    question = lease["questions"][0]["key"]
    api.call("POST", f"assignments/{lease['id']}/judgment/", json={"answers": {question: answer}, "seconds": 1.0})
    started = time.monotonic()
    picture = data_url(picture_of(7_777_777))
    wait_until(lambda: answers(api, slug, picture), patience=300, what="the champion to answer", pause=0.05)
    seconds = time.monotonic() - started
    run = api.call("GET", f"projects/{slug}/training-runs/")["results"][0]
    return seconds, f"run {run['cost'].get('seconds')} s, {run['cost'].get('embedded')} embedded in it"


def body(count: int) -> dict[str, object]:
    return {
        "name": f"Last label {count} {int(time.time())}",
        "categories": list(KINDS),
        "judgments_per_task": {"min": 1, "max": 1},
        "automatic_training": False,
        "backbone": "crowdtune_small",
    }


def answers(api: Api, slug: str, picture: str) -> bool:
    return api.send("POST", f"projects/{slug}/predict/", json={"images": [picture]}).status_code == 200


def drawn(folder: Path, number: int) -> Path:
    path = folder / f"{number:05}.png"
    path.write_bytes(picture_of(number))
    return path


def picture_of(number: int) -> bytes:
    rng = np.random.default_rng(number)
    ground = rng.integers(0, 90, 3) + rng.normal(0, 8, (96, 96, 3))
    picture = Image.fromarray(np.clip(ground + 40, 0, 255).astype(np.uint8))
    pen, (x, y), r = ImageDraw.Draw(picture), rng.integers(30, 66, 2), int(rng.integers(14, 28))
    colour = tuple(int(value) for value in rng.integers(150, 256, 3))
    shape = pen.ellipse if KINDS[number % 2] == "circle" else pen.rectangle
    shape((x - r, y - r, x + r, y + r), fill=colour)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


if __name__ == "__main__":
    main()
