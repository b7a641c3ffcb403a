"""Train every recipe of ``ablation.toml`` with several seeds on one protocol, measure it on dev, and tell what it adds to the plain recipe.

Each finished run stands in ``runs/ablation/RECIPE-SEED.json``, so that a killed script goes on where it was; a run whose settings or data
have changed since is made again. Prints where it is to stderr.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import tomllib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ablation_report import write_report
from transformers import AutoTokenizer, BertForSequenceClassification

from classifier.evaluation.metrics import average_precision, f1, macro_f1, quadratic_kappa
from classifier.examples import Example, targets_of
from classifier.files import sha256_of, write_text_atomic
from classifier.policy import DEFAULT_POLICY, Policy
from classifier.records import read_examples
from classifier.training.config import TrainingConfig
from classifier.training.encoding import Collator, training_rows
from classifier.training.train import train_model

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "runs/ablation"
BASE = "base"
EVAL_BATCH = 32


def place(name: str) -> float:
    """Where a name falls between 0 and 1, for ever the same.

    >>> place("a") == place("a"), 0 <= place("b") < 1
    (True, True)
    """
    return int(hashlib.sha256(name.encode("utf-8")).hexdigest()[:12], 16) / 16**12


def subset(examples: tuple[Example, ...], n_texts: int) -> list[Example]:
    """About ``n_texts`` of the examples: whole groups, so that twins stay together, as many of each kind of group as its share; in their order."""
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.group or example.id, []).append(example)
    strata: dict[str, list[str]] = {}
    for name, members in groups.items():
        kind = "|".join(sorted(f"{','.join(sorted(m.categories))} {m.severity}" for m in members))
        strata.setdefault(kind, []).append(name)
    share = n_texts / len(examples)
    # Groups rank by their place inside the stratum; small strata are rounded by chance, the same chance each time.
    kept = {
        name
        for kind, names in strata.items()
        for rank, name in enumerate(sorted(names, key=place))
        if rank + place(kind) < share * len(names)
    }
    return [example for example in examples if (example.group or example.id) in kept]


def best_threshold(logits: np.ndarray, gold: np.ndarray) -> float:
    """The threshold of highest F1 on these texts; the lowest of equals, infinite where nothing is gold.

    >>> best_threshold(np.array([3.0, 2.0, 1.0]), np.array([1, 0, 1]))
    1.0
    """
    if not gold.any():
        return float("inf")
    values = np.unique(logits)
    found = [2 * (gold & (logits >= value)).sum() / ((logits >= value).sum() + gold.sum()) for value in values]
    return float(values[int(np.argmax(found))])


def cross_fitted(logits: np.ndarray, gold: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Yes or no to every question, by thresholds chosen on the other fold.

    :return: bool, *Shape:* (n_texts, n_questions).
    """
    answers = np.zeros(logits.shape, dtype=bool)
    for fold in (0, 1):
        for j in range(logits.shape[1]):
            threshold = best_threshold(logits[folds != fold, j], gold[folds != fold, j].astype(bool))
            answers[folds == fold, j] = logits[folds == fold, j] >= threshold
    return answers


def measures(logits: np.ndarray, dev: tuple[Example, ...], policy: Policy) -> dict[str, float]:
    """The four figures of one run on dev."""
    gold = targets_of(dev, policy)
    folds = np.array([place("fold " + (example.group or example.id)) >= 0.5 for example in dev]).astype(int)
    answers, n = cross_fitted(logits, gold, folds), policy.n_categories
    probs = 1 / (1 + np.exp(-logits.astype(np.float64)))
    severity = np.cumprod(answers[:, n:], axis=1).sum(axis=1)
    return {
        "mean average precision": float(np.mean([average_precision(probs[:, j], gold[:, j]) for j in range(gold.shape[1]) if gold[:, j].any()])),
        "macro-F1 of the categories": float(macro_f1(answers[:, :n], gold[:, :n])),
        "F1 of any violation": float(f1(answers[:, n], gold[:, n])),
        "quadratic kappa of severity": float(quadratic_kappa(severity, gold[:, n:].sum(axis=1))),
    }


@torch.inference_mode()
def dev_logits(folder: Path, dev: tuple[Example, ...], policy: Policy, config: TrainingConfig) -> np.ndarray:
    """Logits of the dev texts by their beginnings, *Shape:* (n_texts, n_questions)."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), BertForSequenceClassification.from_pretrained(folder).eval()
    rows = training_rows(dev, policy, tokenizer, max_tokens=config.max_tokens, source_input=config.source_input)
    collate, order = Collator(tokenizer), np.argsort(rows["length"], kind="stable")
    logits = np.zeros((len(dev), len(policy.questions)), dtype=np.float32)
    for start in range(0, len(order), EVAL_BATCH):
        part = order[start : start + EVAL_BATCH]
        batch = collate([rows[int(i)] for i in part])
        batch.pop("labels")
        logits[part] = model(**batch).logits.numpy()
    return logits


@lru_cache(maxsize=1)
def data_of(train: str, dev: str, n_texts: int) -> dict[str, Any]:
    """Policy and texts, read in each process that needs them: neither can be sent to another."""
    policy = Policy.load(DEFAULT_POLICY)
    return {"policy": policy, "train": subset(read_examples([ROOT / train], policy), n_texts), "dev": read_examples([ROOT / dev], policy)}


def run(path: Path, config: TrainingConfig, protocol: dict[str, Any], facts: dict[str, Any]) -> None:
    """Train and measure once; the file is written last, the trained weights are not kept."""
    data = data_of(protocol["train"], protocol["dev"], protocol["n_texts"])
    # A half-done run of other settings or data is another folder.
    work = path.parent / f"{path.stem}-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:8]}"
    trained = train_model(data["train"], data["dev"], data["policy"], config, work, resume=True, progress=False)
    logits = dev_logits(trained.folder, data["dev"], data["policy"], config)
    content = facts | {"seconds": round(trained.spent.seconds, 1), "n_steps": trained.n_steps}
    content["measures"] = measures(logits, data["dev"], data["policy"])
    content["dev_logits"] = np.round(logits, 3).astype(float).tolist()
    write_text_atomic(path, json.dumps(content, ensure_ascii=False) + "\n")
    shutil.rmtree(work, ignore_errors=True)


def finished(path: Path, facts: dict[str, Any]) -> bool:
    """Whether this very run stands on disk."""
    return path.is_file() and {name: json.loads(path.read_text(encoding="utf-8")).get(name) for name in facts} == facts


def run_all(missing: list[tuple[Path, TrainingConfig, dict[str, Any]]], protocol: dict[str, Any], n_jobs: int) -> None:
    """Make these runs, so many at once; several share the cores, each computing in one thread."""
    if n_jobs == 1:
        for path, config, facts in missing:
            print(f"{facts['recipe']}, seed {facts['seed']}", file=sys.stderr, flush=True)
            run(path, config, protocol, facts)
        return
    spawn = multiprocessing.get_context("spawn")  # a forked process may hang in the parent's thread pool
    with ProcessPoolExecutor(n_jobs, mp_context=spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for (path, _, _), running in [(task, pool.submit(run, task[0], task[1], protocol, task[2])) for task in missing]:
            running.result()
            print(path.stem, file=sys.stderr, flush=True)


def main() -> None:
    """Make the runs that are missing, then the report of all there are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=ROOT / "scripts/ablation.toml", help="protocol and recipes")
    parser.add_argument("--only", nargs="+", metavar="RECIPE", help="these recipes besides the base; default: all")
    parser.add_argument("--seeds", nargs="+", type=int, help="in place of the protocol's")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once, one thread each; the figures are those of the number of threads")
    parser.add_argument("--report", action="store_true", help="only write the report of the finished runs")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the finished runs")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of ablation.md and ablation.json")
    arguments = parser.parse_args()
    os.chdir(ROOT)  # paths in the settings are those of the repository
    content = tomllib.loads(arguments.config.read_text(encoding="utf-8"))
    protocol, recipes = content["protocol"], {BASE: {}} | content["recipes"]
    unknown = set(arguments.only or ()) - set(recipes)
    if unknown:
        parser.error(f"expected recipes among {', '.join(recipes)}, but got {', '.join(sorted(unknown))}")
    chosen = [name for name in recipes if arguments.only is None or name in (BASE, *arguments.only)]
    seeds = arguments.seeds or protocol["seeds"]
    data = data_of(protocol["train"], protocol["dev"], protocol["n_texts"])
    hashes = {name: sha256_of(ROOT / protocol[name]) for name in ("train", "dev")}
    found: dict[str, dict[int, Any]] = {}
    missing: list[tuple[Path, TrainingConfig, dict[str, Any]]] = []
    wanted: list[tuple[Path, dict[str, Any]]] = []
    for seed in seeds:  # seed by seed, so that a first whole comparison is there early
        for name in chosen:
            settings = content["settings"] | recipes[name]
            facts = {"recipe": name, "seed": seed, "settings": settings, "n_train": len(data["train"]), "data": hashes}
            wanted.append((arguments.runs / f"{name}-{seed}.json", facts))
            if not finished(*wanted[-1]):
                missing.append((wanted[-1][0], replace(TrainingConfig.of(settings, where=name), seed=seed), facts))
    if not arguments.report:
        run_all(missing, protocol, arguments.jobs)
    for path, facts in wanted:
        if finished(path, facts):
            found.setdefault(facts["recipe"], {})[facts["seed"]] = json.loads(path.read_text(encoding="utf-8"))
    print(write_report(arguments.out, found, content, n_dev=len(data["dev"])))


if __name__ == "__main__":
    main()
