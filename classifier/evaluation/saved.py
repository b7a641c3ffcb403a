"""Results that took long to measure, read back from JSON to stand in a report: refused where they belong to another model."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from classifier.bundle import Bundle
from classifier.errors import CalibrationError
from classifier.evaluation.attack_results import AttackReport
from classifier.evaluation.baselines import BaselineResult
from classifier.evaluation.evidence_check import EvidenceReport

ATTACK_FILE, EVIDENCE_FILE, EVALUATION_FILE = "attack.json", "evidence.json", "evaluation.json"
"""What ``saved_in`` looks for: the JSON of ``classifier attack``, ``classifier evidence-check`` and ``classifier evaluate``."""
R = TypeVar("R")


@dataclass(frozen=True)
class SavedResults:
    """What was measured earlier; ``no_attack`` and the like say in one sentence why a result is None, or how to add it."""

    attack: AttackReport | None = None
    evidence: EvidenceReport | None = None
    baselines: tuple[BaselineResult, ...] = ()
    no_attack: str = "Add the JSON of classifier attack with --attack."
    no_evidence: str = "Add the JSON of classifier evidence-check with --evidence."
    no_baselines: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content of attack and evidence; the baselines stand among those of the report."""
        named = {"attack": self.attack, "evidence": self.evidence}
        return {name: None if result is None else result.to_dict() for name, result in named.items()}


def read_attack(path: Path, bundle: Bundle) -> AttackReport:
    """Read what ``classifier attack --out`` wrote.

    :raises CalibrationError: when there is no such file, it is no such result, or was measured on another model, thresholds or policy.
    """
    again = "run `classifier attack --out` with this bundle"
    return _checked(_made(AttackReport, _content(path, again), path, again), bundle, path, again)


def read_evidence(path: Path, bundle: Bundle) -> EvidenceReport:
    """Read what ``classifier evidence-check --out`` wrote. Errors as in ``read_attack``."""
    again = "run `classifier evidence-check --out` with this bundle"
    return _checked(_made(EvidenceReport, _content(path, again), path, again), bundle, path, again)


def read_baselines(path: Path, bundle: Bundle, data_sha256: Mapping[str, str]) -> tuple[BaselineResult, ...]:
    """Read the baselines in what ``classifier evaluate --json`` wrote.

    :param data_sha256: of the test files that they must have been judged on, by name.
    :raises CalibrationError: as in ``read_attack``, and when they were judged on other texts.
    """
    again = "run `classifier evaluate --json` with this bundle"
    content = _content(path, again)
    facts = content.get("facts")
    if not isinstance(facts, dict) or not isinstance(content.get("baselines"), list):
        raise CalibrationError(f"{path}: expected the JSON of an evaluation with baselines, but got something else; {again}.")
    expected = {"model": bundle.model_fingerprint, "policy": bundle.policy.fingerprint, "data": dict(data_sha256)}
    for name, value in expected.items():
        if facts.get(name) != value:
            raise CalibrationError(f"{path}: expected baselines judged against {name} {value}, but got {facts.get(name)}; {again}.")
    return tuple(_made(BaselineResult, item, path, again) for item in content["baselines"])


def saved_in(folder: Path, bundle: Bundle, data_sha256: Mapping[str, str]) -> SavedResults:
    """Whatever saved results of a folder belong to the bundle; what does not is left out, and why is kept."""
    reasons: dict[str, str] = {}
    attack = _tried(lambda: read_attack(folder / ATTACK_FILE, bundle), "no_attack", reasons)
    evidence = _tried(lambda: read_evidence(folder / EVIDENCE_FILE, bundle), "no_evidence", reasons)
    baselines = _tried(lambda: read_baselines(folder / EVALUATION_FILE, bundle, data_sha256), "no_baselines", reasons)
    return SavedResults(attack, evidence, baselines or (), **reasons)


def _tried(read: Any, name: str, reasons: dict[str, str]) -> Any:
    try:
        return read()
    except CalibrationError as error:
        reasons[name] = str(error)
        return None


def _content(path: Path, again: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CalibrationError(f"{path}: expected a file of saved results, but there is none that can be read; {again}.") from error
    except ValueError as error:
        raise CalibrationError(f"{path}: expected JSON in UTF-8, but got: {error}; {again}.") from error
    if not isinstance(content, dict):
        raise CalibrationError(f"{path}: expected a JSON object, but got {type(content).__name__}; {again}.")
    return content


def _made(kind: type[R], content: Any, path: Path, again: str) -> R:
    try:
        made: R = _value(kind, content)
    except (KeyError, TypeError, ValueError) as error:
        raise CalibrationError(f"{path}: expected the results of {kind.__name__}, but got: {type(error).__name__} {error}; {again}.") from error
    return made


def _value(kind: Any, value: Any) -> Any:
    """A dataclass, tuple or plain value from its JSON-able content; None becomes nan where a float belongs."""
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{item.name: _value(hints[item.name], value[item.name]) for item in dataclasses.fields(kind)})  # type: ignore[operator]
    if get_origin(kind) is tuple:
        return tuple(_value(get_args(kind)[0], item) for item in value)
    if kind is float:
        return math.nan if value is None else float(value)
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind}, but got {value!r}")
    return value


def _checked(report: R, bundle: Bundle, path: Path, again: str) -> R:
    """The report itself, when model, policy and thresholds are the bundle's."""
    expected = {
        "model_fingerprint": bundle.model_fingerprint,
        "policy_fingerprint": bundle.policy.fingerprint,
        "ladder_fingerprint": bundle.ladder.fingerprint,
    }
    for name, value in expected.items():
        if getattr(report, name) != value:
            said = name.replace("_fingerprint", "").replace("ladder", "thresholds")
            raise CalibrationError(f"{path}: expected results of {said} {value}, but got those of {getattr(report, name)}; {again}.")
    return report
