"""The page about serving and the files of the container, held against the commands, paths and metrics that there are."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

from classifier.cli import app
from classifier.serving.metrics import Metrics
from classifier.serving.middleware import KNOWN_PATHS

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


def test_the_container_is_bare():
    assert re.search(r"^USER 10001", DOCKERFILE, re.M)
    assert '".[serve]"' in DOCKERFILE
    service = COMPOSE["services"]["classifier"]
    assert (service["read_only"], service["cap_drop"], service["ports"]) == (True, ["ALL"], ["127.0.0.1:8000:8000"])
    assert not re.search("keys.txt|COPY .*keys", DOCKERFILE)
