"""The documentation under test: every command it shows exists, both READMEs say the same, and the Python example runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from classifier import Classifier
from classifier.cli import app

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
FENCE = re.compile(r"```(\w+)\n(.*?)```", re.S)


def _blocks(name, language):
    text = (ROOT / name).read_text(encoding="utf-8")
    return [body for found, body in FENCE.findall(text) if found == language]


def _commands(name):
    lines = [line.partition("  #")[0].strip() for block in _blocks(name, "sh") for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("name", READMES)
def test_every_classifier_command_parses(name):
    command = typer.main.get_command(app)
    shown = [shlex.split(line.partition(" >> ")[0])[1:] for line in _commands(name) if line.startswith("classifier ")]
    assert len(shown) >= 8
    for arguments in shown:
        found, rest = command, list(arguments)
        while hasattr(found, "commands"):
            found = found.commands[rest.pop(0)]
        found.make_context(arguments[0], rest, resilient_parsing=False)


@pytest.mark.parametrize("name", READMES)
def test_every_script_and_link_exists(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    scripts = {line.split()[0] for line in _commands(name) if line.startswith("scripts/")} | set(re.findall(r"`(scripts/[\w-]+)`", text))
    links = {link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link}
    assert {"scripts/demo", "scripts/test"} <= scripts
    for path in scripts | links:
        assert (ROOT / path).exists(), path


def test_both_readmes_show_the_same_commands_and_code():
    assert _commands(READMES[0]) == _commands(READMES[1])
    code = [[line.partition("  #")[0].rstrip() for line in "".join(_blocks(name, "python")).splitlines()] for name in READMES]
    assert code[0] == code[1]


def test_both_readmes_show_the_same_figures():
    def figures(name):
        text = (ROOT / name).read_text(encoding="utf-8")
        rows = [line for line in text.splitlines() if line.startswith("|")]
        return [re.findall(r"\d+\.\d+", row) for row in rows]

    assert figures(READMES[0]) == figures(READMES[1])


def test_the_python_example_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    (code,) = _blocks("README.md", "python")
    names = {}
    exec(code, names)
    assert isinstance(names["clf"], Classifier)
    assert names["decision"].evidence
    assert names["probs"].shape == (1, len(names["clf"].policy.questions))


def test_every_command_has_help():
    command = typer.main.get_command(app)
    for name, sub in command.commands.items():
        assert sub.help, name
