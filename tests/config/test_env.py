"""Variables of the environment: read with their type, refused with what was expected, and all written down."""

from __future__ import annotations

import ipaddress
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from config import databases, env
from tests import ROOT


@pytest.mark.parametrize(("raw", "value"), [("1", True), ("yes", True), ("ON", True), ("0", False), ("false", False)])
def test_a_switch_is_read_from_its_usual_spellings(monkeypatch, raw, value):
    monkeypatch.setenv("SWITCH", raw)
    assert env.boolean("SWITCH", not value) is value


def test_an_empty_variable_is_as_good_as_none(monkeypatch):
    monkeypatch.setenv("SWITCH", "")
    assert env.boolean("SWITCH", True) is True
    assert env.integer("SWITCH", 7) == 7
    assert env.string("SWITCH", "x") == "x"


@pytest.mark.parametrize("raw", ["maybe", "2", "-"])
def test_a_switch_that_is_neither_is_refused_by_name(monkeypatch, raw):
    monkeypatch.setenv("SWITCH", raw)
    with pytest.raises(env.EnvError, match="SWITCH must be 1 or 0"):
        env.boolean("SWITCH", True)


@pytest.mark.parametrize("raw", ["8000.5", "many", "0", "65536"])
def test_a_number_outside_its_range_or_none_at_all_is_refused(monkeypatch, raw):
    monkeypatch.setenv("PORT", raw)
    with pytest.raises(env.EnvError, match="PORT must be"):
        env.integer("PORT", 8000, least=1, most=65535)


def test_a_list_drops_what_is_empty(monkeypatch):
    monkeypatch.setenv("HOSTS", " a, ,b ,")
    assert env.strings("HOSTS") == ["a", "b"]


def test_hosts_are_names_and_networks(monkeypatch):
    monkeypatch.setenv("HOSTS", "Images.Intern, 10.1.0.0/16,10.2.3.4,fd00::/8, 3d-scans")
    networks = [ipaddress.ip_network(text) for text in ("10.1.0.0/16", "10.2.3.4/32", "fd00::/8")]
    places = ["images.intern", *networks, "3d-scans"]
    assert env.hosts("HOSTS") == [(place, None) for place in places]


def test_a_host_may_have_a_port(monkeypatch):
    monkeypatch.setenv("HOSTS", "Images.Intern:9000,10.1.0.0/16:81,[fd00::1]:9000")
    networks = [ipaddress.ip_network(text) for text in ("10.1.0.0/16", "fd00::1")]
    assert env.hosts("HOSTS") == [("images.intern", 9000), (networks[0], 81), (networks[1], 9000)]


@pytest.mark.parametrize(
    "raw",
    ["http://images.intern", "10.1.2.3/16", "10.1.2", "*.intern", "images.intern:0", "images.intern:65536", "a:b"],
)
def test_a_host_that_would_never_match_is_refused(monkeypatch, raw):
    monkeypatch.setenv("HOSTS", raw)
    with pytest.raises(env.EnvError, match="HOSTS must list host names"):
        env.hosts("HOSTS")


def test_a_relative_path_is_relative_to_the_checkout_wherever_one_stands(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOLDER", "./there")
    assert env.path("FOLDER", Path("/nowhere")) == ROOT / "there"


def test_a_home_is_looked_for_only_where_it_is_needed_and_told_of_where_there_is_none(monkeypatch):
    monkeypatch.setenv("FOLDER", "/there")
    assert env.path("FOLDER", Path("~nobody-of-this-name/x")) == Path("/there")
    monkeypatch.delenv("FOLDER")
    with pytest.raises(env.EnvError, match="FOLDER must be a path, and ~nobody-of-this-name/x is in a home"):
        env.path("FOLDER", Path("~nobody-of-this-name/x"))
    monkeypatch.setenv("FOLDER", "~nobody-of-this-name/y")
    with pytest.raises(env.EnvError, match="FOLDER must be a path"):
        env.path("FOLDER", Path("/x"))


def test_a_file_gives_what_the_environment_does_not(tmp_path):
    file = tmp_path / ".env"
    file.write_text("# a comment\n\nPORT=9000\nNAME = 'two words'\n")
    assert env._read_file(file) == {"PORT": "9000", "NAME": "two words"}
    assert env._read_file(tmp_path / "none") == {}


def test_a_file_may_begin_with_a_mark_and_only_a_pair_of_quotes_is_dropped(tmp_path):
    file = tmp_path / ".env"
    file.write_text("\ufeffPORT=9000\nA='it''s'\nB=half\"\nC=\"\nD=\"\"\n", encoding="utf-8")
    assert env._read_file(file) == {"PORT": "9000", "A": "it''s", "B": 'half"', "C": '"', "D": ""}


def test_what_libraries_read_by_themselves_reaches_them_from_the_file_but_the_environment_wins(tmp_path):
    (tmp_path / "env").write_text("AWS_ACCESS_KEY_ID=file\nAWS_DEFAULT_REGION=file\nPORT=1\n")
    names = ["AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "PORT"]
    code = f"import os, config.env; config.env.string('PORT'); print(*(os.environ.get(name) for name in {names}))"
    outside = {"ENV_FILE": str(tmp_path / "env"), "AWS_DEFAULT_REGION": "outside", "PATH": os.environ["PATH"]}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=outside
    )
    assert ran.stdout.split() == ["file", "outside", "None"]


def with_settings(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"from config import settings; {code}"], capture_output=True, text=True, check=False,
        cwd=ROOT, env={"PATH": os.environ["PATH"], "TF_CPP_MIN_LOG_LEVEL": "3", **variables},
    )  # fmt: skip


# The module by which Keras chooses, without what it chooses between: to load that takes seconds.
KERAS_CHOICE = """
import importlib.util, sys, types
folder = importlib.util.find_spec("keras").submodule_search_locations[0]
for name in ("keras", "keras.src", "keras.src.backend"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder + name.removeprefix("keras").replace(".", "/")]
from keras.src.backend import config"""


@pytest.mark.parametrize(("said", "meant"), [("", "tensorflow"), ("JAX", "jax")])
def test_keras_computes_with_what_the_settings_say_whatever_else_the_user_of_the_machine_has_chosen(
    tmp_path, said, meant
):
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    (tmp_path / "env").write_text(f"KERAS_BACKEND={said}\n")
    places = {"DATA_DIR": str(tmp_path), "KERAS_HOME": str(tmp_path), "ENV_FILE": str(tmp_path / "env")}
    ran = with_settings(f"{KERAS_CHOICE}; print(settings.KERAS_BACKEND, config.backend())", **places)
    assert ran.stdout.split() == [meant, meant], ran.stderr


def test_a_library_to_compute_with_that_is_not_installed_is_told_at_the_start(tmp_path):
    if find_spec("torch") is not None:
        pytest.skip("torch, which no requirement of ours brings, is installed here")
    command = [sys.executable, str(ROOT / "manage.py"), "check"]
    environment = os.environ | {"DATA_DIR": str(tmp_path), "KERAS_BACKEND": "torch"}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == 1
    assert ran.stderr.startswith("crowdtune: KERAS_BACKEND=torch needs the library torch, which is not installed")


@pytest.mark.parametrize(
    ("before", "said", "told"),
    [
        ("", "onnx", "INFERENCE_RUNTIME must be one of openvino, litert, got 'onnx'"),
        ("sys.modules['ai_edge_litert'] = None", "litert", "INFERENCE_RUNTIME=litert needs the library ai-edge-litert"),
    ],
)
def test_a_runtime_that_is_unknown_or_not_installed_is_told_at_the_start(tmp_path, before, said, told):
    code = f"import sys; {before}; import config.settings".replace("; ;", ";")
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT,
        env=os.environ | {"DATA_DIR": str(tmp_path), "INFERENCE_RUNTIME": said},
    )  # fmt: skip
    assert ran.returncode == 1
    assert told in ran.stderr


def test_a_value_out_of_a_list_is_taken_and_any_other_refused(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert env.choice("KERAS_BACKEND", "tensorflow", out_of=("tensorflow", "jax")) == "jax"
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(env.EnvError, match="KERAS_BACKEND must be one of tensorflow, jax, got 'theano'"):
        env.choice("KERAS_BACKEND", "tensorflow", out_of=("tensorflow", "jax"))


def test_a_line_of_the_file_that_says_nothing_is_refused_by_number(tmp_path):
    file = tmp_path / ".env"
    for line in ("nonsense", "export PORT=9000", "=9000"):
        file.write_text(f"PORT=9000\n{line}\n")
        with pytest.raises(env.EnvError, match=r"line 2: expected NAME=value"):
            env._read_file(file)


def test_the_example_lists_every_variable_that_the_code_reads_and_no_other():
    code = "\n".join(path.read_text() for path in (ROOT / "config").glob("*.py"))
    read = set(re.findall(r"""(?:env\.\w+|os\.environ\.get)\(\s*"([A-Z_]+)\"""", code))
    listed = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
    assert listed == read


def test_the_defaults_that_the_example_names_are_the_real_ones():
    code = (ROOT / "config" / "settings.py").read_text()
    named = dict(re.findall(r"^#([A-Z_]+)=(\d+)$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
    real = dict(re.findall(r'env\.(?:integer|boolean)\("([A-Z_]+)", (\w+)[,)]', code))
    words = {"True": "1", "False": "0"}
    assert named == {name: words.get(value, value) for name, value in real.items()}


def command(name: str, given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", name],
        cwd=ROOT,
        env=os.environ | given,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_command_says_what_is_wrong_in_one_line():
    ran = command("check", {"PORT": "abc"})
    assert ran.returncode == 1
    assert ran.stderr == "crowdtune: PORT must be a whole number, got 'abc'.\n"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"LOG_LEVEL": "verbose"}, "LOG_LEVEL must be one of DEBUG"),
        ({"HOST": "localhost"}, "HOST must be an address (127.0.0.1, 0.0.0.0, ::1), got 'localhost'"),
        ({"DATABASE_URL": "postgresql://u:p#ss@host/name"}, "DATABASE_URL must be postgresql://"),
        ({"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/name"}, "The database of DATABASE_URL cannot be used"),
        ({"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/name?nonsense=1"}, 'invalid connection option "nonsense"'),
        ({"DATA_DIR": "/dev/null/data", "SECRET_KEY": ""}, "DATA_DIR must be a folder that can be written"),
        ({"CSRF_TRUSTED_ORIGINS": "label.example"}, "CSRF_TRUSTED_ORIGINS must list origins as https://host"),
        ({"CORS_ALLOWED_ORIGINS": "https://label.example/app"}, "CORS_ALLOWED_ORIGINS must list origins"),
        ({"ALLOWED_HOSTS": "https://label.example"}, "ALLOWED_HOSTS must list names"),
        ({"ALLOWED_HOSTS": "label.example:8000"}, "ALLOWED_HOSTS must list names"),
        ({"BROKER_URL": "amqp://u:p#ss@host/"}, "BROKER_URL must be amqp://"),
        ({"HTTPS": "1", "NUM_PROXIES": "0"}, "NUM_PROXIES must be 1 or more with HTTPS=1, got 0"),
        ({"ENV_FILE": "/nowhere/env"}, "ENV_FILE must name a file, but there is no /nowhere/env"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told_of_in_words_and_without_its_password(given, told):
    ran = command("prepare", given)
    assert ran.returncode == 1
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "p#ss" not in ran.stderr


@pytest.mark.parametrize("raw", ["*", ".example.org", "a_b.example.org, label.example.org.", "10.1.2.3", "[fd00::1]"])
def test_names_that_a_request_may_ask_for_are_taken(monkeypatch, raw):
    monkeypatch.setenv("NAMES", raw)
    assert env.names("NAMES") == raw.split(", ")


def test_a_damaged_file_of_settings_is_told_of_in_words(tmp_path):
    (tmp_path / "env").write_text("PORT 9000\n")
    ran = command("check", {"ENV_FILE": str(tmp_path / "env")})
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "line 1: expected NAME=value" in ran.stderr
    (tmp_path / "env").write_bytes(b"\xff\xfeP")
    assert "cannot be read as UTF-8" in command("check", {"ENV_FILE": str(tmp_path / "env")}).stderr


def test_this_machine_is_answered_whatever_names_are_allowed():
    code = "from config import settings; print(settings.ALLOWED_HOSTS, settings.OWN_HOST)"
    given = os.environ | {"ALLOWED_HOSTS": "label.example", "HOST": "192.0.2.7"}
    ran = subprocess.run([sys.executable, "-c", code], env=given, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "['label.example', 'localhost', '127.0.0.1', '[::1]', '192.0.2.7'] 192.0.2.7\n"


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_address_to_listen_on_is_taken_with_brackets_and_without(host):
    code = "from config import settings; print(settings.HOST, settings.OWN_HOST)"
    given = os.environ | {"HOST": host}
    ran = subprocess.run([sys.executable, "-c", code], env=given, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "::1 [::1]\n"


def test_mail_goes_where_the_address_says_and_nowhere_without_one():
    assert databases.mail("")["EMAIL_BACKEND"].endswith("dummy.EmailBackend")
    given = databases.mail("smtp://ada:p%40ss@mail.example")
    assert given["EMAIL_BACKEND"].endswith("smtp.EmailBackend")
    assert (given["EMAIL_HOST"], given["EMAIL_PORT"]) == ("mail.example", 587)
    assert (given["EMAIL_HOST_PASSWORD"], given["EMAIL_USE_TLS"]) == ("p@ss", True)
    assert databases.mail("smtps://mail.example")["EMAIL_PORT"] == 465
    assert not databases.mail("smtp://localhost:2525")["EMAIL_USE_TLS"]
    for wrong in ("mail.example", "http://mail.example", "smtp://mail:many"):
        with pytest.raises(env.EnvError, match="EMAIL_URL"):
            databases.mail(wrong)
