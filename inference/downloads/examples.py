"""Programs that ask a project's classifier, ready to copy: with the project's own address filled in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """One way to ask."""

    name: str
    text: str


CURL = """curl -H "Authorization: Token $CROWDTUNE_TOKEN" \\
  -F image=@photo.jpg -F top_k=3 \\
  {base}/api/v1/projects/{slug}/predict/"""

PYTHON = """# pip install requests
import os

import requests

with open("photo.jpg", "rb") as photo:
    answer = requests.post(
        "{base}/api/v1/projects/{slug}/predict/",
        headers={{"Authorization": "Token " + os.environ["CROWDTUNE_TOKEN"]}},
        files={{"image": photo}},
        timeout=60,
    )
answer.raise_for_status()
print(answer.json()["predictions"][0]["categories"])"""

JAVASCRIPT = """// Node.js 20 or newer. In a page the photo is input.files[0]; the token stays on your server.
import {{ openAsBlob }} from "node:fs";

const body = new FormData();
body.append("image", await openAsBlob("photo.jpg"), "photo.jpg");
const response = await fetch("{base}/api/v1/projects/{slug}/predict/", {{
  method: "POST",
  headers: {{ Authorization: `Token ${{process.env.CROWDTUNE_TOKEN}}` }},
  body,
}});
const {{ predictions, error }} = await response.json();
console.log(error?.message ?? predictions[0].categories);"""

TRITON = """# pip install tritonclient[http]
import os
import pathlib

import numpy
import tritonclient.http as triton

client = triton.InferenceServerClient("{host}"{ssl})
image = triton.InferInput("images", [1], "BYTES")
image.set_data_from_numpy(numpy.array([pathlib.Path("photo.jpg").read_bytes()], dtype=object))
answer = client.infer("{slug}", [image], headers={{"Authorization": "Token " + os.environ["CROWDTUNE_TOKEN"]}})
print(answer.as_numpy("labels"), answer.as_numpy("probabilities"))"""

TEMPLATES = (("curl", CURL), ("Python", PYTHON), ("JavaScript", JAVASCRIPT), ("KServe v2", TRITON))


def examples(base: str, slug: str) -> list[Example]:
    """``base`` is the platform's own address, ``https://host``."""
    scheme, _, host = base.partition("://")
    ssl = ", ssl=True" if scheme == "https" else ""
    return [Example(name, text.format(base=base, slug=slug, host=host, ssl=ssl)) for name, text in TEMPLATES]
