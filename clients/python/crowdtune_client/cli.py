"""``crowdtune predict photo.jpg``: one line a picture, or JSON.

Where to ask comes from options or from CROWDTUNE_URL, CROWDTUNE_TOKEN and CROWDTUNE_PROJECT.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from crowdtune_client import __version__
from crowdtune_client.answers import Prediction
from crowdtune_client.client import Client
from crowdtune_client.errors import CrowdtuneError, Refused
from crowdtune_client.pictures import Picture, meant

BATCH = 16
BYTES = 64 * 2**20  # of a request's pictures, unless one alone is larger; the server takes four times as much
PHONES = {".heic", ".heif"}  # the server does not read these, and says what to do
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"} | PHONES


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file's name that is no text is printed as it is
            stream.reconfigure(errors="surrogateescape")
    for wanted in ("token", "project"):
        if not getattr(options, wanted):
            print(f"Say --{wanted} or set CROWDTUNE_{wanted.upper()}.", file=sys.stderr)
            return 2
    try:
        with Client(options.url, options.token, retries=options.retries, on_retry=_told) as client:
            return _predict(client, options) if options.command == "predict" else _explain(client, options)
    except KeyboardInterrupt:
        return 130  # as a shell says it
    except BrokenPipeError:  # whoever reads has enough: `crowdtune predict photos | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python's own last flush would fail
        return 1
    except (CrowdtuneError, OSError) as error:
        print(f"crowdtune: {error}", file=sys.stderr)
        return 1


def _told(seconds: float, why: str) -> None:
    print(f"crowdtune: no answer yet ({why}); trying again in {seconds:.1f} s", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="crowdtune", description="Ask a Crowdtune project's classifier.")
    _add_place(parser)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.set_defaults(
        url=os.environ.get("CROWDTUNE_URL", "http://127.0.0.1:8000"), token=os.environ.get("CROWDTUNE_TOKEN", ""),
        project=os.environ.get("CROWDTUNE_PROJECT", ""), retries=8,
    )  # fmt: skip
    # They may stand behind the command too; there, what is not said leaves what was said before it.
    place = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    _add_place(place)
    commands = parser.add_subparsers(dest="command", required=True)
    predict = commands.add_parser("predict", help="what pictures show", parents=[place])
    predict.add_argument("pictures", nargs="+", metavar="FILE|FOLDER|URL|-", help="pictures; - reads one from a pipe")
    predict.add_argument("--top-k", type=int, default=3, help="categories of each picture (3)")
    predict.add_argument("--json", action="store_true", help="one JSON object a line")
    explain = commands.add_parser("explain", help="where the classifier looked, as a PNG file", parents=[place])
    explain.add_argument("picture", metavar="FILE|URL|-", help="- reads it from a pipe")
    explain.add_argument("-o", "--output", default="heat.png", metavar="FILE|-", help="where to write it (heat.png)")
    explain.add_argument("--category", help="the category to explain; by default the most probable one")
    return parser


def _add_place(parser: argparse.ArgumentParser) -> None:
    """Where to ask, and as whom."""
    parser.add_argument("--url", help="of the platform; else CROWDTUNE_URL")
    parser.add_argument("--token", help="of a key with the scope predict; else CROWDTUNE_TOKEN")
    parser.add_argument("--project", help="as in its address; else CROWDTUNE_PROJECT")
    parser.add_argument("--retries", type=int, help="how often to try again where no answer comes (8)")


def _expanded(names: Sequence[str]) -> list[str]:
    """Folders become the pictures in them, in the order of their names."""
    found: list[str] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            found += [str(file) for file in sorted(path.rglob("*")) if _is_picture(file)]
        else:
            found.append(name)
    return found


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.is_dir()


def _picture(name: str) -> Picture:
    if name == "-":
        return _piped(sys.stdin.buffer)
    picture = meant(name)
    return Path(name) if picture is name else picture


@functools.lru_cache(maxsize=1)
def _piped(stream: BinaryIO) -> bytes:
    """What comes by a pipe, which can be read but once: it is sent again where another picture was refused."""
    return stream.read()


def _predict(client: Client, options: argparse.Namespace) -> int:
    names = _expanded(options.pictures)
    if not names:
        print(f"crowdtune: no picture in {', '.join(options.pictures)}", file=sys.stderr)
        return 1
    return max(_predict_some(client, options, part) for part in _parts(names))


def _parts(names: Sequence[str]) -> Iterator[list[str]]:
    """Each a request's worth, by number and by bytes; alone what is likely refused, or the others were sent again."""
    part: list[str] = []
    size = 0
    for name in names:
        own = BYTES + 1 if Path(name).suffix.lower() in PHONES else _size(name)
        if part and (len(part) == BATCH or size + own > BYTES):
            yield part
            part, size = [], 0
        part.append(name)
        size += own
    if part:
        yield part


def _size(name: str) -> int:
    try:
        return Path(name).stat().st_size
    except OSError:  # an address, or a file that is not there, which is told of later
        return 0


def _predict_some(client: Client, options: argparse.Namespace, names: list[str]) -> int:
    """One request's worth. A picture that cannot be used is told of by its name, and the others are answered."""
    try:
        answer = client.predict(options.project, [_picture(name) for name in names], top_k=options.top_k)
    except Refused as error:
        if error.code == "too_many_images" and len(names) > 1:  # than the key may ask about at a time
            return max(_predict_some(client, options, half) for half in _halves(names))
        index = error.fields.get("image")
        if not isinstance(index, int) or index >= len(names):
            raise
        message = error.message.removeprefix(f"Image {index + 1}: ")
        return _without(client, options, names, index, f"{message} ({error.status} {error.code})")
    except OSError as error:  # a file that is not there, or may not be read
        paths = [str(Path(name)) for name in names]
        if error.filename is None or str(error.filename) not in paths:
            raise
        return _without(client, options, names, paths.index(str(error.filename)), str(error.strerror))
    for name, prediction in zip(names, answer.predictions, strict=True):
        print(_line(name, prediction, answer.model_version, as_json=options.json))
    return 0


def _halves(names: list[str]) -> tuple[list[str], list[str]]:
    middle = (len(names) + 1) // 2
    return names[:middle], names[middle:]


def _without(client: Client, options: argparse.Namespace, names: list[str], index: int, why: str) -> int:
    print(f"crowdtune: {names[index]}: {why}", file=sys.stderr)
    rest = names[:index] + names[index + 1 :]
    if rest:
        _predict_some(client, options, rest)
    return 1


def _line(name: str, prediction: Prediction, version: int, *, as_json: bool) -> str:
    if as_json:
        scores = {score.category: score.probability for score in prediction.scores}
        row = {"image": name, "model_version": version, "scores": scores, "uncertainty": prediction.uncertainty}
        return json.dumps(row, ensure_ascii=not _is_text(name))
    scores_text = "  ".join(f"{score.category} {score.probability:.1%}" for score in prediction.scores)
    return f"{name}  {scores_text}"


def _is_text(name: str) -> bool:
    """Not every file's name is; what is none of it is escaped in JSON."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _explain(client: Client, options: argparse.Namespace) -> int:
    png, category = client.explain(options.project, _picture(options.picture), category=options.category)
    if options.output == "-":
        sys.stdout.buffer.write(png)
    else:
        Path(options.output).write_bytes(png)
        print(f"{options.output}  {category}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
