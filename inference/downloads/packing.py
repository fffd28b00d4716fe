"""Worker-side: a version as a file that other programs load: export, card, labels and an example, in one zip."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from inference.downloads.exporting import export_apart
from inference.engine.routing import version_ref
from labeling.errors import CrowdtuneError
from labeling.files import storage
from labeling.files.imaging import pixels
from labeling.jobs import Report
from labeling.models import Image, Job
from labeling.text.words import gettext as _
from training.learning.artifact import CARD
from training.models import ModelVersion
from training.zoo import catalogue

SERVED = "TensorFlow Serving takes the folder `saved_model` as its `--model_base_path`."
CHECKED = 16  # pictures that the export is compared with Keras on


def run(job: Job, report: Report) -> dict[str, Any]:
    """The work of a ``download`` job."""
    kind = str(job.arguments["format"])
    ref = version_ref(job.project_id, int(job.arguments["version"]))
    manifest = json.loads((settings.DATA_DIR / ref.folder / "manifest.json").read_text())
    report.progress(0.1, _("Building the network"))
    with storage.drafts(job.pk) as folder:
        pictures = folder / "pictures.npy"
        np.save(pictures, _pictures(job.project_id, int(manifest["size"])))
        target = folder / f"{job.project.slug}-{ref.number}-{kind}"
        found = export_apart(
            {
                "version": str(settings.DATA_DIR / ref.folder), "kind": kind, "target": str(target),
                "backbone": manifest["backbone"], "keras_home": str(settings.KERAS_HOME),
                "backbones": str(catalogue.folder()), "pictures": str(pictures),
            }
        )  # fmt: skip
        report.progress(0.8, _("Packing"))
        (target / "README.md").write_text(card(ModelVersion.objects.get(pk=ref.id), found), encoding="utf-8")
        name = f"exports/{job.id}/{target.name}.zip"
        _pack(target, folder / "pack.zip", name)
    address = storage.file_url(name)
    return {"file": name, "url": address, "verification": found, "model_version": ref.number}


def _pictures(project_id: int, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A few of the project's own images, as the network sees them."""
    read = []
    for image in Image.objects.filter(project=project_id).order_by("-id")[: 2 * CHECKED]:
        try:
            read.append(pixels(storage.read_original(image), size))
        except (CrowdtuneError, OSError):
            continue  # a file that is gone or damaged is no reason not to export
        if len(read) == CHECKED:
            break
    if not read:
        raise CrowdtuneError("no_image", _("The export is checked on the project's images, and none can be read."), 409)
    return np.stack(read)


def card(version: ModelVersion, found: dict[str, Any]) -> str:
    """What the file is, in a page."""
    checked = found["verification"]
    lines = [
        f"# {version.project.name}, version {version.number}",
        "",
        f"Categories: {', '.join(version.categories)}.",
        "Input: uint8 RGB `[n, size, size, 3]`, 0..255, upright, transparency on white, resized to the square",
        "bilinearly with antialiasing (as Pillow's `BILINEAR`), colour profiles not applied; all else is inside.",
        "Output: calibrated probabilities in the order of `labels.txt`.",
        "",
        f"Compared with the version that answers in the project, on {checked['count']} of its pictures: the most",
        f"probable category is the same, and no probability differs by more than {checked['difference']:.1e}.",
        f"How good it is, and where not to trust it: `{CARD}`.",
        "",
        "`example.py` loads the model and prints the category of the picture `photo.jpg` beside it; its first line",
        "says what to install.",
        *([SERVED] if found["format"] == "saved_model" else []),
    ]
    return "\n".join(lines) + "\n"


def _pack(folder: Path, path: Path, name: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as pack:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                pack.write(file, f"{folder.name}/{file.relative_to(folder)}")
    storage.put_path(name, path)
