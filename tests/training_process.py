"""Training in a process of its own: run by ``torchrun``, killed and started again, or held to a limit of memory."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer

from classifier.policy import Policy
from classifier.records import ExampleFiles, read_examples
from classifier.training.config import TrainingConfig
from classifier.training.order import LengthOrder
from classifier.training.rows import column, fingerprint_of
from classifier.training.run import train_bundle
from classifier.training.train import _training_rows, train_model

torch.set_num_threads(1)


def train(job):
    """One run to its end; the log is left in ``run_dir/log.jsonl``."""
    policy = Policy.load()
    data = [read_examples([job[name]], policy) for name in ("train", "dev")]
    trained = train_model(*data, policy, TrainingConfig(**job["config"]), Path(job["run_dir"]), resume=job.get("resume", False), progress=False)
    if int(os.environ.get("RANK", "0")) == 0:
        Path(job["run_dir"], "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in trained.history))


def bundle(job):
    """A whole run as the command line makes it."""
    train_bundle(
        [Path(job["train"])],
        [Path(job["dev"])],
        Path(job["out"]),
        run_dir=Path(job["run_dir"]),
        policy_name="wechat-3-24",
        config=TrainingConfig(**job["config"]),
        int8=False,
        keep_weights=False,
        resume=False,
    )


def killed(job):
    """An undisturbed run in ``run_dir/whole``, and one in ``run_dir/killed`` that is killed at ``n_kills`` random moments."""
    generator = np.random.default_rng(job["seed"])
    started = time.monotonic()
    os.waitpid(_child(job, "whole", resume=False), 0)
    took = time.monotonic() - started
    told = []
    for _ in range(job["n_kills"]):
        child = _child(job, "killed", resume=True)
        time.sleep(float(generator.uniform(0.2, 0.9)) * took)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        told.append({"killed": os.WIFSIGNALED(status), "checkpoints": len(list(Path(job["run_dir"], "killed").glob("checkpoints/*/whole.json")))})
    os.waitpid(_child(job, "killed", resume=True), 0)
    Path(job["run_dir"], "told.json").write_text(json.dumps(told))


def _child(job, name, *, resume):
    """A run in a forked process: what is imported need not be imported again."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        train({**job, "run_dir": str(Path(job["run_dir"]) / name), "resume": resume})
        status = 0
    finally:
        os._exit(status)


def memory(job):
    """Rows of many texts on disk or in memory; prints how far the memory of the process alone has grown, in bytes."""
    policy = Policy.load()
    config = TrainingConfig(**job["config"])
    tokenizer = AutoTokenizer.from_pretrained(config.base)
    # Once with little, so that what is loaded or built on first use is there already.
    _training_rows(read_examples([job["dev"]], policy), policy, tokenizer, replace(config, out_of_core=False), Path(job["run_dir"]))
    before = _own_bytes()
    paths = (Path(job["train"]),)
    examples = ExampleFiles(paths, policy) if config.out_of_core else read_examples(paths, policy)
    largest = [0]
    _watch(largest)
    rows = _training_rows(examples, policy, tokenizer, config, Path(job["run_dir"]))
    fingerprint_of(rows)
    order = LengthOrder(column(rows, "length"), 16, seed=1)
    seen = sum(len(rows[i]["input_ids"]) for i, _ in zip(order, range(200), strict=False))
    print(json.dumps({"n_rows": len(rows), "n_tokens": seen, "bytes": max(largest[0], _own_bytes()) - before}))


def _watch(largest):
    def look():
        while True:
            largest[0] = max(largest[0], _own_bytes())
            time.sleep(0.02)

    threading.Thread(target=look, daemon=True).start()


def _own_bytes():
    """Memory that no file stands behind."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon")).split()[1])


if __name__ == "__main__":
    {"train": train, "bundle": bundle, "killed": killed, "memory": memory}[sys.argv[1]](json.loads(sys.argv[2]))
