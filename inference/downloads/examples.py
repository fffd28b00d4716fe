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

PYTHON = """# pip install ./clients/python   (from the repository)
from crowdtune_client import Client

with Client("{base}", token=os.environ["CROWDTUNE_TOKEN"]) as client:
    answer = client.predict("{slug}", "photo.jpg")
    print(answer.predictions[0].category, answer.predictions[0].probability)"""

JAVASCRIPT = """const body = new FormData();
body.append("image", input.files[0]);
const response = await fetch("{base}/api/v1/projects/{slug}/predict/", {{
  method: "POST",
  headers: {{ Authorization: `Token ${{token}}` }},
  body,
}});
const {{ model_version, predictions }} = await response.json();"""

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

TEMPLATES = (("curl", CURL), ("Python", "import os\n\n" + PYTHON), ("JavaScript", JAVASCRIPT), ("KServe v2", TRITON))


def examples(base: str, slug: str) -> list[Example]:
    """``base`` is the platform's own address, ``https://host``."""
    scheme, _, host = base.partition("://")
    ssl = ", ssl=True" if scheme == "https" else ""
    return [Example(name, text.format(base=base, slug=slug, host=host, ssl=ssl)) for name, text in TEMPLATES]
