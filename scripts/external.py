"""The trainer held against published figures: fine-tuned on a public two-class data set with its official split, over several seeds."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
    """Accuracy and macro-F1 in percent, over all test texts and over the ``n_unseen`` of them that do not stand in the training split.

    ``computed_in`` is bfloat16 or float32, as the processor allows; ``seconds`` count from the last start; ``interval`` (of accuracy) and
    ``macro_f1_interval`` are 95% intervals over the test texts.
    """

    seed: int
    accuracy: float
    macro_f1: float
    unseen_accuracy: float
    unseen_macro_f1: float
    n_test: int
    n_unseen: int
    seconds: float
    computed_in: str
    interval: tuple[float, float] = (float("nan"), float("nan"))
    macro_f1_interval: tuple[float, float] = (float("nan"), float("nan"))


@dataclass(frozen=True)
class Results:
    """What was run, and the figures of each seed so far; seeds of other settings are never mixed in."""

    settings: Mapping[str, Any]
    figures: tuple[Figures, ...] = ()

    def write(self, path: Path) -> None:
        """Keep them as JSON, whole or not at all; no text is kept."""
        content = {"published": PUBLISHED, "settings": dict(self.settings), "results": [asdict(figures) for figures in self.figures]}
        write_text_atomic(path, json.dumps(content, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path, settings: Mapping[str, Any]) -> Results:
        """Figures that an earlier call with the same settings left, none where there are none.

        :raises DataError: when the file holds the figures of other settings.
        """
        if not path.exists():
            return cls(settings)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            found = cls(content["settings"], tuple(Figures(**_with_tuples(item)) for item in content["results"]))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError((Problem(str(path), 0, "file", f"expected figures of this script, but got: {error!r}; name another --out"),)) from error
        if found.settings != settings:
            raise DataError((Problem(str(path), 0, "settings", f"expected {settings}, but got {found.settings}; name another --out"),))
        return found


def _with_tuples(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in item.items()}


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


def figures_of(scores: Scores, policy: Policy, seen: set[str], *, seed: int, seconds: float, computed_in: str) -> Figures:
    """Figures at a prob of 0.5.

    :param seen: the training texts, as ``same_text`` gives them.
    """
    column = policy.severity_column(1)
    gold = scores.targets(policy)[:, column]
    said = (scores.logits[:, column] >= 0).astype(np.int8)
    unseen = np.array([same_text(example.text) not in seen for example in scores.examples])
    accuracy, macro_f1 = _percent(gold, said)
    unseen_accuracy, unseen_macro_f1 = _percent(gold[unseen], said[unseen])
    accuracies, macro_f1s = intervals(gold, said, seed=seed)
    return Figures(
        seed,
        accuracy,
        macro_f1,
        unseen_accuracy,
        unseen_macro_f1,
        n_test=len(gold),
        n_unseen=int(unseen.sum()),
        seconds=seconds,
        computed_in=computed_in,
        interval=accuracies,
        macro_f1_interval=macro_f1s,
    )


def intervals(gold: np.ndarray, said: np.ndarray, *, seed: int, n_resamples: int = 1000) -> list[tuple[float, float]]:
    """95% intervals of accuracy and macro-F1 in percent: percentiles over resampled test texts, which says nothing about other seeds.

    :param gold: 0/1, *Shape:* (n_texts,); ``said`` likewise.
    """
    generator = np.random.default_rng(seed)
    drawn = [_percent(gold[rows], said[rows]) for rows in generator.integers(len(gold), size=(n_resamples, len(gold)))]
    low, high = np.percentile(np.array(drawn), (2.5, 97.5), axis=0)
    return [(float(low[column]), float(high[column])) for column in (0, 1)]


def _percent(gold: np.ndarray, said: np.ndarray) -> tuple[float, float]:
    return 100 * float(accuracy_score(gold, said)), 100 * float(f1_score(gold, said, average="macro", zero_division=0))


def run_seed(splits: Mapping[str, Sequence[Example]], config: TrainingConfig, folder: Path) -> Figures:
    """Train on ``train``, stop early by ``dev``, score ``test``; everything lands in ``folder``, and a run that was killed there goes on."""
    started = time.monotonic()
    write_text_atomic(folder / "policy.toml", POLICY)
    paths = {name: folder / f"{name}.jsonl" for name in SPLITS}
    for name, path in paths.items():
        write_examples(path, splits[name])
    bundle = train_bundle(
        [paths["train"]],
        [paths["dev"]],
        folder / "bundle",
        run_dir=folder / "run",
        policy_name=str(folder / "policy.toml"),
        config=config,
        int8=False,
        keep_weights=False,
        resume=True,
    )
    scores = score_files(folder / "bundle", [paths["test"]], folder / "test.npz")
    seen = {same_text(example.text) for example in splits["train"]}
    computed_in = bundle.provenance["training"]["computed_in"]
    seconds = time.monotonic() - started
    return figures_of(scores, Policy.load(folder / "policy.toml"), seen, seed=config.seed, seconds=seconds, computed_in=computed_in)


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


def table_of(results: Sequence[Figures]) -> str:
    """The results as a Markdown table, a line a seed: percent on the test split with 95% intervals over its texts."""
    rows = [
        f"| {r.seed} | {r.accuracy:.2f} ({r.interval[0]:.2f} to {r.interval[1]:.2f}) "
        f"| {r.macro_f1:.2f} ({r.macro_f1_interval[0]:.2f} to {r.macro_f1_interval[1]:.2f}) | {r.seconds:,.0f} | {r.computed_in} |"
        for r in results
    ]
    if len(results) > 1:
        accuracies, macro_f1s = (np.array([getattr(r, name) for r in results]) for name in ("accuracy", "macro_f1"))
        means = (f"{values.mean():.2f} ± {values.std(ddof=1):.2f}" for values in (accuracies, macro_f1s))
        rows.append(f"| mean ± sd | {' | '.join(means)} | | |")
    rows.append(f"| RoBERTa-base, published | {PUBLISHED['accuracy']:.2f} | {PUBLISHED['macro_f1']:.2f} | | |")
    title = "# The trainer held against published figures"
    head = "`scripts/external` on COLDataset, official split, figures in percent with 95% intervals over test texts."
    return "\n".join([title, "", head, "", "| seed | accuracy | macro-F1 | seconds | computed in |", "|---|---|---|---|---|", *rows]) + "\n"


def main() -> None:
    """Read the folder, run every seed that has not been run yet, print the figures and keep them as JSON and as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="train.jsonl, dev.jsonl and test.jsonl, with `text` and `label` 0 or 1")
    parser.add_argument("--out", type=Path, default=Path("runs/external.json"), help="the figures as JSON, a table (.md) beside it; no text is kept")
    parser.add_argument("--work", type=Path, default=None, help="keep the run of the current seed here, so that a killed call goes on inside it")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 1 to so many, one after another; those in --out are not run again")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--limit", type=int, default=None, help="use so many texts of each split, for a trial")
    parser.add_argument("--base", default="builtin", help="builtin, a folder or a hub name")
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16, faster on processors that have it")
    parser.add_argument("--learning-rate", type=float, default=TrainingConfig.learning_rate, help="of the encoder; BERT-base wants 2e-5 to 5e-5")
    parser.add_argument("--save-steps", type=int, default=200, help="a checkpoint every so many updates, with --work")
    options = parser.parse_args()
    splits = {name: read_split(options.folder / f"{name}.jsonl", limit=options.limit, seed=0) for name in SPLITS}
    settings = {name: getattr(options, name) for name in ("epochs", "limit", "base", "bf16", "learning_rate")}
    results = Results.read(options.out, settings)
    done = {figures.seed for figures in results.figures}
    for seed in (seed for seed in range(1, options.seeds + 1) if seed not in done):
        config = TrainingConfig(
            base=options.base,
            n_epochs=options.epochs,
            batch_size=32,
            max_tokens=128,
            max_positive_weight=1.0,
            bf16=options.bf16,
            learning_rate=options.learning_rate,
            save_steps=options.save_steps if options.work else 0,
            seed=seed,
        )
        with work_folder(options.work, seed) as folder:
            figures = run_seed(splits, config, folder)
        results = Results(settings, (*results.figures, figures))
        results.write(options.out)
        write_text_atomic(options.out.with_suffix(".md"), table_of(results.figures))
    print(words_of(results.figures))


@contextmanager
def work_folder(kept: Path | None, seed: int) -> Iterator[Path]:
    """A folder for one seed. The texts are another's: none stays behind once the seed is done."""
    if kept is None:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
        return
    folder = kept / f"seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
