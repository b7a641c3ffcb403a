"""The model card of a bundle: README.md, made from what the bundle holds, and no sentence that it does not bear out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from classifier.bundle import EncoderSettings
from classifier.decisions import Ladder, LevelThreshold
from classifier.policy import Policy
from classifier.training.spent import WATTS_PER_CORE, Spent

PLAIN_SETTINGS = ("base", "max_tokens", "n_epochs", "batch_size", "learning_rate", "head_learning_rate", "bf16", "seed")
"""Settings that the card names; the rest stand in provenance.json."""


def card_text(
    policy: Policy, settings: EncoderSettings, ladder: Ladder, provenance: Mapping[str, Any], *, account_ladder: Ladder | None = None
) -> str:
    """The whole card; figures of an evaluation stand in it only where they were measured with these thresholds."""
    parts = [
        _head(policy, settings),
        _levels("Levels", ladder),
        "" if account_ladder is None else _levels("Levels of whole accounts", account_ladder),
        _measured(provenance.get("evaluation"), ladder),
        _uses(),
        _limits(ladder),
        _data(provenance),
        _training(provenance),
        "## Provenance\n\n`provenance.json` names data hashes, configuration, seed, versions and commit; `manifest.json` the SHA-256 of every file.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def evaluation_digest(content: Mapping[str, Any], *, file_name: str, sha256: str) -> dict[str, Any]:
    """What a card keeps of the JSON of ``classifier evaluate``: figures with their intervals, and what they were measured on.

    :raises KeyError: when it is no such JSON; TypeError likewise.
    """
    facts, evaluation = content["facts"], content["evaluation"]
    named = {
        "macro-F1 of the categories": evaluation["macro_f1"],
        "F1 of any violation": evaluation["flagged"]["f1"],
        "precision of any violation": evaluation["flagged"]["precision"],
        "recall of any violation": evaluation["flagged"]["recall"],
        "benign texts flagged": evaluation["flagged"]["benign_hit"],
        "quadratic kappa of severity": evaluation["even_severity"]["quadratic_kappa"],
        "texts sent to review": evaluation["reviewed"],
    }
    per_question = {f"average precision, {item['question']}": item["average_precision"] for item in evaluation["questions"]}
    return {
        "file": file_name,
        "sha256": sha256,
        "model": facts["model"],
        "thresholds": facts["thresholds"],
        "data": dict(facts["data"]),
        "n": evaluation["n"],
        "n_violating": evaluation["n_violating"],
        "confidence_level": evaluation["confidence_level"],
        "figures": {name: {key: value[key] for key in ("value", "low", "high")} for name, value in (named | per_question).items()},
    }


def _head(policy: Policy, settings: EncoderSettings) -> str:
    return f"""---
language: zh
license: apache-2.0
pipeline_tag: text-classification
---
# Classifier for the policy `{policy.id}`

{policy.title}. Questions, in the order of the logits: {", ".join(f"`{question}`" for question in policy.questions)}.
Base encoder: `{settings.base}`, precision {settings.precision}, windows of {settings.max_tokens} tokens.

**The labelled texts were written for this project; they were not collected from a platform. The severity criteria are this project's
reading of the rule, not the platform's.** Before deployment, label a sample of the platform's own texts and calibrate again on it: the
promises below hold for texts like those of the calibration split, and for no others."""


def _levels(title: str, ladder: Ladder) -> str:
    rows = "\n".join(_level_row(level) for level in ladder.levels)
    return f"""## {title}

| level | threshold | certified | promise | acted on / errors in calibration | more labels needed |
|---|---|---|---|---|---|
{rows}

Review threshold: {ladder.review_threshold}. Method: {ladder.method}; {ladder.n_clusters} independent clusters;
joint confidence {ladder.joint_confidence_level}."""


def _level_row(level: LevelThreshold) -> str:
    threshold = "off" if level.threshold is None else f"{level.threshold:.3f}"
    promise = f"precision >= {level.target_precision:.2f} at {level.confidence_level:.0%}"
    needed = "not known" if level.n_more_needed is None else level.n_more_needed
    cells = (level.level_id, threshold, "yes" if level.certified else "no", promise, f"{level.n_acted} / {level.n_errors}", needed)
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _measured(digest: Mapping[str, Any] | None, ladder: Ladder) -> str:
    if digest is None or digest.get("thresholds") != ladder.fingerprint:
        return (
            "## Measured\n\nNothing yet with these thresholds. `classifier evaluate BUNDLE SCORES --json evaluation.json`, "
            "then `classifier card BUNDLE --evaluation evaluation.json`."
        )
    rows = "\n".join(f"| {name} | {_number(figure['value'])} | {_interval(figure)} |" for name, figure in digest["figures"].items())
    data = ", ".join(f"`{name}` ({sha256[:16]})" for name, sha256 in digest["data"].items())
    return f"""## Measured

On {digest["n"]:,} texts, {digest["n_violating"]:,} of them violating, of {data}; intervals of {digest["confidence_level"]:.0%}.

| figure | value | interval |
|---|---|---|
{rows}"""


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _interval(figure: Mapping[str, Any]) -> str:
    return "" if figure["low"] is None or figure["high"] is None else f"{figure['low']:.3f} to {figure['high']:.3f}"


def _uses() -> str:
    return """## Intended use

Sorting posts and bios for human moderators, and acting alone only at certified levels, with an appeal that a person reads.

Not to be used: as the sole ground for a ban; to judge a person rather than a text; for a rule, language or kind of text that it was not
calibrated on; to watch private messages; with a level switched on that is not certified."""


def _limits(ladder: Ladder) -> str:
    off = [level.level_id for level in ladder.levels if not level.certified]
    uncertified = f" Not certified, so off: {', '.join(off)}." if off else ""
    return f"""## Limits

It sees text only: no pictures, QR codes, licences or account history. False positives hit lawyers, journalists, police and museums first; look
at them. Who knows it can spell around it.{uncertified} A promise lapses when the mix of texts changes: `classifier monitor` watches for that."""


def _data(provenance: Mapping[str, Any]) -> str:
    training = provenance.get("training", {})
    sizes = {"train": training.get("n_train"), "dev": training.get("n_dev"), "calibration": provenance.get("calibration", {}).get("n_texts")}
    files = {**provenance.get("data", {}), "calibration": provenance.get("calibration", {}).get("data", {})}
    rows = []
    for split, size in sizes.items():
        named = ", ".join(f"`{name}` {sha256[:16]}" for name, sha256 in files.get(split, {}).items())
        if size is not None or named:
            rows.append(f"| {split} | {'' if size is None else f'{size:,}'} | {named} |")
    return "## Data\n\n| split | texts | files, and the first 16 digits of their SHA-256 |\n|---|---|---|\n" + "\n".join(rows) if rows else ""


def _training(provenance: Mapping[str, Any]) -> str:
    training, config = provenance.get("training", {}), provenance.get("config", {})
    if not training:
        return ""
    settings = ", ".join(f"`{name}` {config[name]}" for name in PLAIN_SETTINGS if name in config)
    sentences: Sequence[str] = [
        f"{training['n_steps']:,} updates, {settings}" + (f"; computed in {training['computed_in']}." if "computed_in" in training else "."),
        f"Mean average precision on dev at the kept epoch: {training['dev_average_precision']:.3f} (the epoch was chosen by it).",
        _energy(training),
    ]
    return "## Training\n\n" + "\n".join(sentences)


def _energy(training: Mapping[str, Any]) -> str:
    took = f"It took {training['seconds']:,.0f} s"
    if "processor_s" not in training:
        return f"{took}; energy was not recorded."
    spent = Spent(training["seconds"], training["processor_s"], training.get("joules"))
    n = training.get("n_processes", 1)
    took += f" and {spent.processor_s:,.0f} s of processor time" + (f" in each of {n} processes" if n > 1 else "")
    if spent.joules is not None:
        return f"{took}; {spent.kwh:.3f} kWh by the counters of the processor packages (RAPL), which also count what else ran on the machine."
    return (
        f"{took}; about {spent.kwh * n:.3f} kWh, an estimate: processor time x {WATTS_PER_CORE:g} W a core, an assumed figure "
        "(no counter of energy could be read). Other processors, such as GPUs, and cooling are not counted."
    )
