"""The page about serving and the files of the container, held against the commands, paths and metrics that there are."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import jsonschema
import pytest
import typer
import yaml

from classifier.cli import app
from classifier.serving.metrics import Metrics
from classifier.serving.middleware import KNOWN_PATHS
from classifier.serving.settings import Limits

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))


def _parses(arguments):
    command = typer.main.get_command(app).commands[arguments[0]]
    command.make_context(arguments[0], list(arguments[1:]))
    return True


def test_every_command_of_the_page_parses():
    blocks = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.S))
    shown = [shlex.split(re.split(r"\s+#|\s>>", line)[0])[1:] for line in blocks.splitlines() if line.startswith("classifier ")]
    assert len(shown) >= 5
    assert all(_parses(arguments) for arguments in shown)


def test_every_option_of_the_page_is_one_of_the_commands():
    commands = typer.main.get_command(app).commands
    known = {option for name in ("serve", "serve-key", "replay") for parameter in commands[name].params for option in parameter.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) - {"--build"} <= known


def test_the_page_names_every_path_and_no_other():
    assert set(re.findall(r"`(?:GET|POST) (/[\w/.]+)`", PAGE)) == KNOWN_PATHS


def test_the_page_names_every_metric():
    names = set(re.findall(r"^# TYPE (classifier_\w+?) ", Metrics().text().decode(), re.M))
    shown = set(re.findall(r"(classifier_\w+)", PAGE))
    missing = {name for name in names if not name.endswith("_created") and name not in shown}
    assert missing <= {"classifier_cache_misses", "classifier_cache_entries"}


@pytest.mark.parametrize("arguments", [json.loads(re.search(r"^CMD (\[.*\])$", DOCKERFILE, re.M)[1]), COMPOSE["services"]["classifier"]["command"]])
def test_the_container_starts_a_command_that_there_is(arguments):
    assert json.loads(re.search(r"^ENTRYPOINT (\[.*\])$", DOCKERFILE, re.M)[1]) == ["classifier", "serve"]
    assert _parses(["serve", *arguments])


def _instructions():
    """Name and rest of every instruction of the Dockerfile, with its continued lines."""
    joined = re.sub(r"\\\n\s*", " ", DOCKERFILE)
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def test_every_line_of_the_dockerfile_is_an_instruction():
    known = {"ARG", "FROM", "ENV", "WORKDIR", "RUN", "COPY", "LABEL", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    names = [name for name, _ in _instructions()]
    assert set(names) <= known
    assert names[:2] == ["ARG", "FROM"]
    assert [name for name in names if name in ("ENTRYPOINT", "CMD", "HEALTHCHECK", "USER")] == ["USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"]
    for name, rest in _instructions():
        if "[" in rest and name in ("ENTRYPOINT", "CMD", "HEALTHCHECK"):
            assert all(isinstance(item, str) for item in json.loads(rest[rest.index("[") :]))


def test_what_the_dockerfile_copies_is_there_and_reaches_the_build():
    lines = (ROOT / "deploy/Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copied = [path for name, rest in _instructions() if name == "COPY" and "--from" not in rest for path in rest.split()[:-1]]
    assert {"classifier", "models/default", "pyproject.toml"} <= set(copied)
    assert all((ROOT / path).exists() and path in let_in for path in copied)


_COMPOSE_SERVICE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["build", "command", "ports", "secrets", "volumes"],
    "properties": {
        "build": {"type": "object", "additionalProperties": False, "properties": {"context": {"const": ".."}, "dockerfile": {"type": "string"}}},
        "image": {"type": "string"},
        "command": {"type": "array", "items": {"type": "string"}},
        "ports": {"type": "array", "items": {"type": "string", "pattern": r"^127\.0\.0\.1:\d+:\d+$"}},
        "secrets": {"type": "array", "items": {"type": "string"}},
        "volumes": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+:/"}},
        "tmpfs": {"type": "array", "items": {"type": "string"}},
        "cap_drop": {"type": "array", "items": {"type": "string"}},
        "security_opt": {"type": "array", "items": {"type": "string"}},
        "read_only": {"type": "boolean"},
        "cpus": {"type": "number"},
        "mem_limit": {"type": "string", "pattern": r"^\d+m$"},
        "stop_grace_period": {"type": "string", "pattern": r"^\d+s$"},
        "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
    },
}
"""What the Compose specification allows of the keys that are used here."""


def test_the_compose_file_fits_the_specification_and_itself():
    jsonschema.validate(COMPOSE["services"]["classifier"], _COMPOSE_SERVICE)
    assert set(COMPOSE) == {"name", "services", "secrets", "volumes"}
    service = COMPOSE["services"]["classifier"]
    assert set(service["secrets"]) == set(COMPOSE["secrets"])
    assert {volume.partition(":")[0] for volume in service["volumes"]} == set(COMPOSE["volumes"])
    # The supervisor must wait for the drain and for the longest request.
    drain = float(service["command"][service["command"].index("--drain") + 1])
    assert int(service["stop_grace_period"].rstrip("s")) >= drain + Limits().request_timeout_s


def test_the_container_is_bare():
    assert re.search(r"^USER 10001", DOCKERFILE, re.M)
    assert '".[serve]"' in DOCKERFILE
    service = COMPOSE["services"]["classifier"]
    assert (service["read_only"], service["cap_drop"], service["ports"]) == (True, ["ALL"], ["127.0.0.1:8000:8000"])
    assert not re.search("keys.txt|COPY .*keys", DOCKERFILE)
