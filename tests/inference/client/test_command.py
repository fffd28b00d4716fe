"""The client's command, against the live server."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import crowdtune_client
import httpx
import pytest
from crowdtune_client import Client, cli

from tests import ROOT
from tests.inference.serving import picture
from tests.processes import free_port

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_command_gets_through_a_folder_with_a_key_of_few_images_a_minute(tmp_path: Path, capsys) -> None:
    """Each minute of the server's is a request of ours here, and the first asks about more than the key may at all."""
    calls: list[int] = []

    def limited(request: httpx.Request) -> httpx.Response:
        images = request.content.count(b'name="image"')
        calls.append(images)
        if images > 2:
            error = {"code": "too_many_images", "message": "at most 2 at a time", "fields": {}}
            return httpx.Response(400, json={"error": error})
        if len(calls) % 2:
            error = {"code": "quota_spent", "message": "wait", "fields": {}}
            return httpx.Response(429, json={"error": error}, headers={"Retry-After": "0"})
        scores = [{"category": "cat", "probability": 1.0}]
        predictions = [{"categories": scores, "uncertainty": 0.0, "margin": 1.0}] * images
        return httpx.Response(200, json={"model_version": 1, "milliseconds": 1.0, "predictions": predictions})

    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(b"x")
    options = cli._parser().parse_args(["--project", "p", "predict", str(tmp_path)])
    with Client("http://x", "t", backoff=0.001, transport=httpx.MockTransport(limited)) as client:
        assert cli._predict(client, options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [str(tmp_path / f"{number}.png") for number in range(5)]
    assert calls[:2] == [5, 3]


def test_the_command_takes_a_folder_as_file_systems_have_them(live_server, champion, token, tmp_path: Path) -> None:
    """Folders that are called like pictures, and names that are no text."""
    (tmp_path / "album.jpg").mkdir()
    (tmp_path / "album.jpg" / "in.png").write_bytes(picture(4))
    odd = os.fsencode(tmp_path) + b"/no-text-\xff.png"
    Path(os.fsdecode(odd)).write_bytes(picture(5))
    command = [sys.executable, "-m", "crowdtune_client.cli", "--url", live_server.url, "--token", token]
    command += ["--project", "colours", "predict", str(tmp_path)]
    path = os.pathsep.join([str(ROOT / "clients/python"), os.environ.get("PYTHONPATH", "")])
    env = os.environ | {"PYTHONPATH": path, "PYTHONUTF8": "1"}
    for more in ([], ["--json"]):
        done = subprocess.run([*command, *more], capture_output=True, env=env, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        lines = done.stdout.splitlines()
        assert len(lines) == 2
    assert odd == os.fsencode(json.loads(lines[1])["image"])


def test_the_command_prints_a_line_or_json_for_each_picture_of_a_folder(
    live_server, champion, token, photo, capsys
) -> None:
    (photo.parent / "second.png").write_bytes(picture(5))
    where = ["--url", live_server.url, "--token", token, "--project", "colours"]
    assert cli.main([*where, "predict", str(photo.parent)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [str(photo), str(photo.parent / "second.png")]
    assert cli.main([*where, "predict", "--json", str(photo)]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["model_version"] == 1
    assert sum(row["scores"].values()) == pytest.approx(1, abs=1e-4)


def test_the_command_sends_no_more_at_once_than_the_server_takes(tmp_path: Path) -> None:
    """Photographs of 20 MB are 320 MB together."""
    for number in range(20):
        with (tmp_path / f"{number:02}.jpg").open("wb") as file:
            file.truncate(20 * 2**20 if number < 4 else 1)
    with (tmp_path / "99.jpg").open("wb") as file:
        file.truncate(65 * 2**20)
    names = [*sorted(str(path) for path in tmp_path.iterdir()), "https://example.org/a.jpg", str(tmp_path / "none")]
    names += ["IMG_1.HEIC", "a.jpg"]
    parts = list(cli._parts(names))
    assert [name for part in parts for name in part] == names
    assert [len(part) for part in parts] == [3, 16, 1, 1, 2, 1, 1]


def test_the_command_reads_a_picture_from_a_pipe_whatever_else_is_asked_about(
    live_server, champion, token, photo, monkeypatch, capsysbinary
) -> None:
    broken = photo.parent / "broken.png"
    broken.write_bytes(b"no image")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(photo.read_bytes())))
    where = ["--url", live_server.url, "--token", token, "--project", "colours"]
    assert cli.main([*where, "predict", "-", str(broken), "-"]) == 1
    lines = capsysbinary.readouterr().out.splitlines()
    assert [line.partition(b"  ")[0] for line in lines] == [b"-", b"-"]
    assert cli.main([*where, "explain", "-", "-o", "-"]) == 0
    assert capsysbinary.readouterr().out.startswith(b"\x89PNG")


def test_the_command_tells_its_version(capsys) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"crowdtune {crowdtune_client.__version__}\n"


def test_where_to_ask_may_stand_before_or_behind_the_command(live_server, champion, token, photo, capsys) -> None:
    before = ["--url", live_server.url, "--token", "wrong", "--project", "colours"]
    assert cli.main([*before, "predict", str(photo), "--token", token]) == 0
    behind = ["--url", live_server.url, "--token", token, "--project", "colours"]
    assert cli.main(["predict", str(photo), *behind]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    out = photo.parent / "heat.png"
    assert cli.main(["explain", str(photo), *behind, "-o", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")


def test_the_command_names_what_it_could_not_use_and_answers_the_rest(
    live_server, champion, token, photo, capsys
) -> None:
    broken, empty, phones = photo.parent / "broken.png", photo.parent / "empty", photo.parent / "IMG_1.HEIC"
    broken.write_bytes(b"no image")
    phones.write_bytes(b"\0\0\0\x18ftypheic")
    empty.mkdir()
    where = ["--url", live_server.url, "--token", token, "--project", "colours"]
    assert cli.main([*where, "predict", str(photo.parent), "http://127.0.0.1/a.png"]) == 1
    told = capsys.readouterr()
    assert [line.split("  ")[0] for line in told.out.splitlines()] == [str(photo)]
    of_phones, *refused = told.err.splitlines()
    assert of_phones.startswith(f"crowdtune: {phones}: Expected one of JPEG")
    assert refused[0].startswith("crowdtune: http://127.0.0.1/a.png: 127.0.0.1 is not on the public internet")
    assert refused[1].startswith(f"crowdtune: {broken}: Expected one of JPEG")
    assert cli.main([*where, "predict", "./gone.jpg", str(photo)]) == 1
    told = capsys.readouterr()
    assert [line.split("  ")[0] for line in told.out.splitlines()] == [str(photo)]
    assert told.err == "crowdtune: ./gone.jpg: No such file or directory\n"
    assert cli.main([*where, "predict", str(empty)]) == 1
    assert str(empty) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "token", "told"),
    [
        ("localhost:8000", "t", "like https://"),
        ("http://[::1", "t", "not an address"),
        ("http://crowdtune..test", "t", "not an address"),
        ("/x", "t", "like https://"),
        ("http://x", "kéy", "token"),
        ("http://x", " \n", "token is empty"),
    ],
)
def test_what_can_be_no_address_or_no_key_is_refused_at_once(url: str, token: str, told: str, capsys) -> None:
    assert cli.main(["--url", url, "--token", token, "--project", "p", "predict", __file__]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("proxy", ["socks5://proxy.test", "spdy://proxy.test", "http://proxy.test:x"])
def test_a_proxy_that_cannot_be_used_is_named_as_the_reason(proxy: str, monkeypatch, capsys) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    assert cli.main(["--token", "t", "--project", "p", "predict", __file__]) == 1
    assert "proxy" in capsys.readouterr().err


def test_the_command_says_that_it_tries_again_and_ends_at_once_when_it_is_told_to(photo: Path) -> None:
    # Where the tests run in a shell's background, processes are born deaf to it.
    listens = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{listens}; import sys; from crowdtune_client import cli; sys.exit(cli.main())"
    command = [sys.executable, "-c", code, "--url", f"http://127.0.0.1:{free_port()}"]
    command += ["--token", "t", "--project", "p", "--retries", "30", "predict", str(photo)]
    path = os.pathsep.join([str(ROOT / "clients/python"), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}) as asking:
        assert asking.stderr is not None
        told = asking.stderr.readline()
        asking.send_signal(signal.SIGINT)
        rest = asking.stderr.read()
    assert "refused" in told
    assert "trying again in 0." in told
    assert "Traceback" not in rest
    assert asking.returncode == 130


def test_the_command_says_what_is_missing_and_what_was_refused(live_server, champion, token, photo, capsys) -> None:
    assert cli.main(["--token", "", "--project", "x", "predict", str(photo)]) == 2
    assert "CROWDTUNE_TOKEN" in capsys.readouterr().err
    assert cli.main(["--url", live_server.url, "--token", token, "--project", "none", "predict", str(photo)]) == 1
    assert "404" in capsys.readouterr().err


def test_the_command_ends_quietly_when_its_reader_has_enough(live_server, champion, token, photo) -> None:
    """As `head` has."""
    names = [str(photo)] * 40  # three requests' worth
    where = ["--url", live_server.url, "--token", token, "--project", "colours"]
    command = [sys.executable, "-u", "-m", "crowdtune_client.cli", *where, "predict", *names]
    path = os.pathsep.join([str(ROOT / "clients/python"), os.environ.get("PYTHONPATH", "")])
    env = os.environ | {"PYTHONPATH": path}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == ("", 1)
