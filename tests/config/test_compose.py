"""The files of the larger install. No container engine is needed: what can be checked is that they fit the code."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands, load_command_class

from tests import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "crowdtune"}


def test_the_parts_of_the_platform_are_services():
    assert set(OURS) == {"setup", "web", "inference", "worker", "trainer", "scheduler"}
    assert {"postgres", "rabbitmq", "objects"} <= set(COMPOSE["services"])


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_command_that_exists(name):
    words = OURS[name]["command"].split()
    assert words[0] == "python"
    if words[1] == "-m":
        assert importlib.util.find_spec(words[2]) is not None
    else:
        assert words[1] == "manage.py"
        assert words[2] in get_commands()


def test_a_service_sets_only_variables_that_the_code_or_the_aws_library_reads():
    listed = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
    for service in OURS.values():
        assert {name for name in service["environment"] if not name.startswith("AWS_")} <= listed


def test_one_service_builds_the_image_and_the_others_wait_for_it():
    """Source: https://github.com/docker/compose/issues/9717 and 7343"""
    assert {name for name, service in COMPOSE["services"].items() if "build" in service} == {"setup"}
    assert {service["pull_policy"] for name, service in OURS.items() if name != "setup"} == {"never"}
    assert all(service["depends_on"].keys() == {"setup"} for name, service in OURS.items() if name != "setup")


def test_a_setting_in_the_file_reaches_every_service_but_those_that_would_move_it():
    moves = {"PORT", "HOST", "DATA_DIR", "DATABASE_URL", "BROKER_URL", "STORAGE_URL", "KERAS_HOME"}
    for service in OURS.values():
        assert service["env_file"] == [{"path": ".env", "required": False}]
        assert service["environment"].items() >= {"PORT": "8000", "HOST": "0.0.0.0", "DATA_DIR": "/data"}.items()
        own = {name: value for name, value in service["environment"].items() if not name.startswith("AWS_")}
        assert {name for name, value in own.items() if f"${{{name}:" not in value} == moves


def test_everything_that_a_service_names_is_there():
    for service in COMPOSE["services"].values():
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"])
        volumes = {entry.partition(":")[0] for entry in service.get("volumes", [])}
        assert volumes <= set(COMPOSE["volumes"])
        assert {entry["source"] for entry in service.get("configs", [])} <= set(COMPOSE["configs"])


def test_what_others_wait_for_has_a_health_check():
    for service in COMPOSE["services"].values():
        for name, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in COMPOSE["services"][name]
    assert all("healthcheck" in COMPOSE["services"][name] for name in ("web", "inference"))


def test_the_database_is_asked_as_others_will_ask_it():
    """Source: https://github.com/docker-library/postgres/issues/880"""
    assert "pg_isready -h 127.0.0.1" in COMPOSE["services"]["postgres"]["healthcheck"]["test"][1]


def test_a_start_that_takes_long_is_no_failure():
    asked = {name: service["healthcheck"] for name, service in COMPOSE["services"].items() if "healthcheck" in service}
    assert asked.keys() == {"postgres", "rabbitmq", "objects", "web", "inference"}
    assert {check["start_period"] for check in asked.values()} == {"2m"}


def test_the_check_of_a_web_server_hears_it_out():
    """Of what docs/operating.md tells of /readyz, the longest: fifteen seconds for a database that is away."""
    check = COMPOSE["services"]["web"]["healthcheck"]
    asks = int(re.findall(r"timeout=(\d+)", check["test"][-1])[0])
    assert 15 < asks < int(check["timeout"].removesuffix("s"))


def test_every_port_can_be_closed_to_the_network():
    ports = {port for service in COMPOSE["services"].values() for port in service.get("ports", [])}
    assert ports == {"${PORT:-8000}:8000", "${INFERENCE_PORT:-8001}:8000", "${OBJECTS_PORT:-8333}:8333"}


def test_rabbitmq_lets_a_training_hold_its_message_for_a_day():
    assert "consumer_timeout = 86400000" in COMPOSE["configs"]["rabbitmq"]["content"]


def test_a_server_that_is_not_root_can_read_its_settings():
    """Source: https://github.com/docker/compose/issues/12656"""
    given = [entry for service in COMPOSE["services"].values() for entry in service.get("configs", [])]
    assert [entry["mode"] for entry in given] == [0o444, 0o444]


def test_no_service_of_ours_can_become_root():
    assert all(service["security_opt"] == ["no-new-privileges:true"] for service in OURS.values())


def test_what_keeps_data_has_longer_to_stop_than_docker_gives():
    for name in ("postgres", "rabbitmq", "objects"):
        assert COMPOSE["services"][name]["stop_grace_period"] in {"30s", "1m"}


def test_logs_do_not_grow_for_ever():
    """Source: https://docs.docker.com/engine/logging/configure/ (the default does no rotation)"""
    assert [service["logging"]["driver"] for service in COMPOSE["services"].values()] == ["local"] * 9


def test_the_store_takes_no_disk_before_it_has_files():
    """Source: https://github.com/seaweedfs/seaweedfs/pull/8451"""
    assert "-master.volumePreallocate=false" in COMPOSE["services"]["objects"]["command"].split()


def test_a_password_of_what_others_can_reach_has_no_default():
    text = (ROOT / "docker-compose.yml").read_text()
    assert {name for name, service in COMPOSE["services"].items() if "ports" in service} == {
        "web",
        "inference",
        "objects",
    }
    for name in ("SECRET_KEY", "ADMIN_PASSWORD", "OBJECTS_PASSWORD"):
        assert set(re.findall(rf"\$\{{{name}(..)", text)) == {":?"}, name


def test_a_worker_has_the_threads_of_the_setting():
    parser = load_command_class("config", "worker").create_parser("manage.py", "worker")
    words = OURS["worker"]["command"].split()[3:]
    assert parser.parse_args(words).threads == settings.WORKER_THREADS


def test_every_role_shares_the_queues_that_the_supervisor_serves():
    supervisor = (ROOT / "config" / "management" / "commands" / "up.py").read_text()
    for queue in ("cpu", "default", "gpu"):
        assert f'"{queue}"' in supervisor
        assert any(queue in OURS[role]["command"] for role in ("worker", "trainer"))


def test_no_data_secret_or_backup_of_the_checkout_gets_into_the_image():
    ignored = set((ROOT / ".dockerignore").read_text().split())
    assert {"data", ".env", "*.dump", "*.sql"} <= ignored


def test_no_tool_of_a_developer_gets_into_the_image():
    ignored = set((ROOT / ".dockerignore").read_text().split())
    assert {".venv", "node_modules", ".*_cache", "tests", "bench"} <= ignored


def test_the_image_is_built_from_locked_requirements_and_does_not_run_as_root():
    text = (ROOT / "Dockerfile").read_text()
    assert "--require-hashes -r requirements/base.txt" in text
    assert text.index("USER 1000") < text.index("CMD")  # a number: what runs it can tell that this is not root


@pytest.mark.parametrize("file", ["requirements/base.txt", "requirements/dev.txt"])
def test_locked_requirements_have_hashes_and_name_no_registry(file):
    text = Path(ROOT / file).read_text()
    assert "://" not in text
    for block in re.split(r"\n(?=[a-z0-9])", text):
        assert "--hash=sha256:" in block or not re.match(r"[a-z0-9]", block)
