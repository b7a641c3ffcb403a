"""The trainer held against published figures: fine-tuned on a public two-class data set with its official split, over several seeds."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from classifier.data.similar import same_text
from classifier.errors import DataError, Problem
from classifier.evaluation.scores import Scores
from classifier.examples import MAX_TEXT_CHARS, Example
from classifier.files import write_text_atomic
from classifier.policy import Policy
from classifier.records import write_examples
from classifier.records.checking import Log
from classifier.scoring import score_files
from classifier.training.config import TrainingConfig
from classifier.training.run import train_bundle

SPLITS = ("train", "dev", "test")
PUBLISHED = {"accuracy": 82.75, "macro_f1": 82.39}
"""RoBERTa-base on the test split of COLDataset (Deng et al. 2022, *COLD: A Benchmark for Chinese Offensive Language Detection*), in percent."""
POLICY = """\
id = "two-classes"
version = "1"
date = 2022-01-16
title = "Two classes"
source = "The labels of the data set"

[[categories]]
id = "positive"
name_zh = "正类"
name_en = "positive"
clause = "1"
definition = "Label 1 of the data set."

[[levels]]
id = "none"
severity = 0
name_zh = "不处理"
name_en = "no action"
action = "none"

[[levels]]
id = "act"
severity = 1
name_zh = "处理"
name_en = "act"
action = "act"
target_precision = 0.90
confidence_level = 0.95
"""


@dataclass(frozen=True)
class Figures:
    """Accuracy and macro-F1 in percent, over all test texts and over the ``n_unseen`` of them that do not stand in the training split."""

    seed: int
    accuracy: float
    macro_f1: float
    unseen_accuracy: float
    unseen_macro_f1: float
    n_test: int
    n_unseen: int
    seconds: float


def read_split(path: Path, *, limit: int | None, seed: int) -> list[Example]:
    """The texts of one split as examples of the policy above; ``limit`` draws so many of them at random.

    :raises DataError: with every line that has no text, or a label other than 0 and 1.
    """
    log = Log(max_problems=20)
    examples = []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError((Problem(str(path), 0, "file", f"expected a readable JSONL file, but got: {error}"),)) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text, label = row["text"], row["label"]
        except (ValueError, KeyError, TypeError) as error:
            log.add(str(path), number, "line", f"expected an object with `text` and `label`, but got: {error!r}")
            continue
        if not isinstance(text, str) or not text.strip() or len(text) > MAX_TEXT_CHARS or label not in (0, 1):
            log.add(str(path), number, "label", f"expected a text and the label 0 or 1, but got {label!r}")
            continue
        examples.append(Example(f"{path.stem}-{number}", text, "post", ("positive",) if label else (), int(label)))
    log.raise_if_any()
    if limit is None or limit >= len(examples):
        return examples
    rows = np.random.default_rng(seed).choice(len(examples), limit, replace=False)
    return [examples[i] for i in sorted(rows)]


def figures_of(scores: Scores, policy: Policy, seen: set[str], *, seed: int, seconds: float) -> Figures:
    """Figures at a prob of 0.5.

    :param seen: the training texts, as ``same_text`` gives them.
    """
    column = policy.severity_column(1)
    gold = scores.targets(policy)[:, column]
    said = (scores.logits[:, column] >= 0).astype(np.int8)
    unseen = np.array([same_text(example.text) not in seen for example in scores.examples])
    accuracy, macro_f1 = _percent(gold, said)
    unseen_accuracy, unseen_macro_f1 = _percent(gold[unseen], said[unseen])
    return Figures(seed, accuracy, macro_f1, unseen_accuracy, unseen_macro_f1, len(gold), int(unseen.sum()), seconds)


def _percent(gold: np.ndarray, said: np.ndarray) -> tuple[float, float]:
    return 100 * float(accuracy_score(gold, said)), 100 * float(f1_score(gold, said, average="macro", zero_division=0))


def run_seed(splits: Mapping[str, Sequence[Example]], config: TrainingConfig, folder: Path) -> Figures:
    """Train on ``train``, stop early by ``dev``, score ``test``; everything lands in ``folder``."""
    started = time.monotonic()
    write_text_atomic(folder / "policy.toml", POLICY)
    paths = {name: folder / f"{name}.jsonl" for name in SPLITS}
    for name, path in paths.items():
        write_examples(path, splits[name])
    train_bundle(
        [paths["train"]],
        [paths["dev"]],
        folder / "bundle",
        run_dir=folder / "run",
        policy_name=str(folder / "policy.toml"),
        config=config,
        int8=False,
        keep_weights=False,
        resume=False,
    )
    scores = score_files(folder / "bundle", [paths["test"]], folder / "test.npz")
    seen = {same_text(example.text) for example in splits["train"]}
    return figures_of(scores, Policy.load(folder / "policy.toml"), seen, seed=config.seed, seconds=time.monotonic() - started)


def words_of(results: Sequence[Figures]) -> str:
    """The results in lines to read, next to the published figures."""
    lines = [f"seed {r.seed}: accuracy {r.accuracy:.2f}, macro-F1 {r.macro_f1:.2f} ({r.n_test:,} texts, {r.seconds:,.0f} s)" for r in results]
    for name, published in PUBLISHED.items():
        values, unseen = (np.array([getattr(r, prefix + name) for r in results]) for prefix in ("", "unseen_"))
        spread = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
        lines.append(
            f"{name.replace('_', ' ')}: {values.mean():.2f}{spread} over {len(values)} seed(s), {unseen.mean():.2f} without the "
            f"{results[0].n_test - results[0].n_unseen} test texts that stand in training; RoBERTa-base on the whole of COLD: {published:.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Read the folder, run every seed, print the figures and keep them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="train.jsonl, dev.jsonl and test.jsonl, with `text` and `label` 0 or 1")
    parser.add_argument("--out", type=Path, default=Path("runs/external.json"), help="the figures as JSON; no text is kept")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--limit", type=int, default=None, help="use so many texts of each split, for a trial")
    parser.add_argument("--base", default="builtin", help="builtin, a folder or a hub name")
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16, faster on processors that have it")
    options = parser.parse_args()
    splits = {name: read_split(options.folder / f"{name}.jsonl", limit=options.limit, seed=0) for name in SPLITS}
    results = []
    for seed in range(1, options.seeds + 1):
        config = TrainingConfig(
            base=options.base, n_epochs=options.epochs, batch_size=32, max_tokens=128, max_positive_weight=1.0, bf16=options.bf16, seed=seed
        )
        with tempfile.TemporaryDirectory() as folder:  # the texts are another's: none stays behind
            results.append(run_seed(splits, config, Path(folder)))
        write_text_atomic(options.out, json.dumps({"published": PUBLISHED, "results": [asdict(r) for r in results]}, indent=1) + "\n")
    print(words_of(results))


if __name__ == "__main__":
    main()
