"""Training at scale: parts of a batch add up, several processes see what one sees, a killed run ends as an undisturbed one, rows stay on disk."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from classifier.bundle import load_bundle
from classifier.errors import DataError
from classifier.records import ExampleFiles, read_examples, write_examples
from classifier.training.arguments import part_of_batch
from classifier.training.checkpoints import SEAL, last_whole, seal, sweep
from classifier.training.config import TrainingConfig
from classifier.training.encoding import training_rows
from classifier.training.exact import share_of_batch
from classifier.training.order import LengthOrder, length_order
from classifier.training.rows import column, fingerprint_of, rows_on_disk
from classifier.training.spent import Meter, Spent, package_joules
from classifier.training.train import load_base, train_model
from tests.conftest import make_examples

PROCESS = Path(__file__).with_name("training_process.py")


@pytest.fixture(scope="module")
def still_base(tiny_base, tmp_path_factory):
    """The tiny base without dropout: what is computed does not depend on who computes which row."""
    folder = tmp_path_factory.mktemp("still")
    for path in tiny_base.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}))
    return folder


@pytest.fixture(scope="module")
def toy(toy_files, policy):
    return [read_examples([toy_files[name]], policy) for name in ("train", "dev")]


def still_config(still_base, **changes):
    plain = {
        "base": str(still_base),
        "max_tokens": 32,
        "overlap_tokens": 8,
        "n_epochs": 2,
        "batch_size": 8,
        "learning_rate": 1e-3,
        "head_learning_rate": 1e-3,
        "seed": 7,
    }
    return TrainingConfig(**(plain | changes))


def weights(folder, policy):
    _, model = load_base(str(folder), policy)
    return torch.cat([p.detach().ravel() for p in model.parameters()])


def run(*arguments, launcher=()):
    environment = {**os.environ, "PYTHONPATH": str(PROCESS.parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *launcher, str(PROCESS), *arguments], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


# The order of the rows


def test_an_order_holds_every_row_once_and_batches_of_about_one_length():
    lengths = np.random.default_rng(0).integers(5, 200, 1003).astype(np.int32)
    order = length_order(lengths, 16, seed=3, epoch=0)
    assert sorted(order.tolist()) == list(range(1003))
    spreads = [np.ptp(lengths[order[start : start + 16]]) for start in range(0, 992, 16)]
    assert np.mean(spreads) < 20  # of batches drawn at random: about 170


def test_an_order_is_decided_by_seed_and_epoch_and_not_by_torch():
    lengths = np.arange(100, dtype=np.int32)
    first, second = (LengthOrder(lengths, 8, seed=1) for _ in range(2))
    torch.manual_seed(1)
    seen = list(first)
    torch.manual_seed(2)
    assert list(second) == seen
    second.set_epoch(1)
    assert list(second) != seen


# Parts of a batch


def test_shares_of_a_batch_add_up_to_its_mean():
    values, labels = torch.tensor([1.0, 2.0, 6.0]), torch.zeros(3, 2)

    def mean(outputs, labels, n):
        return outputs.mean()

    parts = [share_of_batch(mean)(values[part], labels[part], labels.numel()) for part in (slice(0, 2), slice(2, 3))]
    assert sum(parts).item() == pytest.approx(3.0)


def test_a_batch_that_cannot_be_shared_out_is_refused():
    with pytest.raises(ValueError, match="multiple of 6"):
        part_of_batch(TrainingConfig(batch_size=16, accumulation_steps=3), 2)


@pytest.mark.parametrize("changes", [{"accumulation_steps": 4}, {"gradient_checkpointing": True}], ids=["accumulation", "checkpointing"])
def test_a_switch_that_saves_memory_changes_nothing_but_rounding(toy, policy, still_base, tmp_path, changes):
    # 155 rows: the last batch has 3, so that its passes hold 2 and 1 texts.
    train = toy[0][:155]
    plain = train_model(train, toy[1], policy, still_config(still_base), tmp_path / "plain", progress=False)
    saving = train_model(train, toy[1], policy, still_config(still_base, **changes), tmp_path / "saving", progress=False)
    assert saving.n_steps == plain.n_steps
    assert losses(saving.history) == pytest.approx(losses(plain.history), rel=1e-4)
    # Adam divides by the gradient's size: where that is nearly 0, rounding moves a weight by up to the learning rate.
    # How much that is depends on the processor's kernels: 2e-5 on AVX2, less than half of it on AVX-512.
    assert (weights(saving.folder, policy) - weights(plain.folder, policy)).abs().mean() < 5e-5


def losses(history):
    return [entry["loss"] for entry in history if "loss" in entry]


# Several processes


@pytest.mark.slow
def test_two_processes_learn_as_one(toy_files, still_base, tmp_path):
    # 160 rows in batches of 8: every batch divides evenly over two processes. Not bitwise: gradients of 4 and 4 texts are summed, not of 8.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    logs = []
    for name, launcher in (("one", ()), ("two", ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(port)))):
        job = {"train": str(toy_files["train"]), "dev": str(toy_files["dev"]), "run_dir": str(tmp_path / name)}
        job["out"] = str(tmp_path / f"{name}-bundle")
        run("bundle" if launcher else "train", json.dumps(job | {"config": asdict(still_config(still_base))}), launcher=launcher)
        logs.append([json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()])
    one, two = logs
    assert len(losses(one)) == 2
    assert losses(two) == pytest.approx(losses(one), rel=1e-4)
    precisions = [[entry["eval_average_precision"] for entry in log if "eval_average_precision" in entry] for log in logs]
    assert precisions[1] == pytest.approx(precisions[0], abs=1e-3)
    assert load_bundle(tmp_path / "two-bundle").provenance["training"]["n_processes"] == 2


# Killed runs


def test_a_run_that_is_killed_ends_with_the_same_weights(toy_files, tiny_base, policy, tmp_path):
    config = TrainingConfig(base=str(tiny_base), max_tokens=32, overlap_tokens=8, n_epochs=4, batch_size=4, patience=1, save_steps=7, seed=7)
    job = {"train": str(toy_files["train"]), "dev": str(toy_files["dev"]), "run_dir": str(tmp_path), "seed": 5, "n_kills": 4}
    run("killed", json.dumps(job | {"config": asdict(config)}))
    told = json.loads((tmp_path / "told.json").read_text())
    assert any(kill["killed"] and kill["checkpoints"] for kill in told), told
    assert torch.equal(weights(tmp_path / "whole" / "model", policy), weights(tmp_path / "killed" / "model", policy))


def test_a_run_that_stopped_early_stays_stopped(toy, policy, tiny_base, tmp_path):
    # Dev texts without a violation: the average precision never gets better, so that patience ends after the second epoch.
    benign = [example for example in toy[1] if not example.violating]
    config = TrainingConfig(base=str(tiny_base), max_tokens=32, overlap_tokens=8, n_epochs=5, batch_size=16, patience=1, seed=7)
    first = train_model(toy[0], benign, policy, config, tmp_path, progress=False)
    assert first.n_steps == 20
    before = weights(first.folder, policy)
    again = train_model(toy[0], benign, policy, config, tmp_path, resume=True, progress=False)
    assert again.n_steps == 20
    assert torch.equal(weights(again.folder, policy), before)


def test_a_checkpoint_of_other_settings_is_refused(toy, policy, tiny_base, tmp_path):
    config = TrainingConfig(base=str(tiny_base), max_tokens=32, overlap_tokens=8, n_epochs=1, batch_size=32, seed=7)
    train_model(*toy, policy, config, tmp_path, progress=False)
    with pytest.raises(DataError, match="other settings or data"):
        train_model(*toy, policy, replace(config, learning_rate=2e-4), tmp_path, resume=True, progress=False)


def checkpoint(folder, step, *, run="r"):
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "weights").write_text("w" * step)
    seal(path, run, Spent(float(step), 1.0))
    return path


def test_a_half_written_checkpoint_is_passed_over(tmp_path):
    whole = checkpoint(tmp_path, 9)
    (checkpoint(tmp_path, 10) / SEAL).unlink()
    (checkpoint(tmp_path, 11) / "weights").write_text("cut")
    (checkpoint(tmp_path, 100) / "weights").unlink()
    found = last_whole(tmp_path, "r")
    assert (found.folder, found.spent.seconds) == (whole, 9.0)


def test_without_a_whole_checkpoint_there_is_none(tmp_path):
    (checkpoint(tmp_path, 10) / SEAL).write_text("{")
    assert last_whole(tmp_path, "r") is None
    assert last_whole(tmp_path / "nowhere", "r") is None


def test_sweeping_keeps_what_is_named(tmp_path):
    for step in (1, 2, 10):
        checkpoint(tmp_path, step)
    sweep(tmp_path, keep={"checkpoint-2", "checkpoint-10"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-2"]


# Rows on disk


def test_rows_on_disk_are_the_rows_in_memory(policy, tiny_base, tmp_path):
    examples = make_examples(2_300, seed=1)
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)

    def make(part):
        return training_rows(part, policy, tokenizer, max_tokens=16, source_input="token_type", overlap_tokens=2, evidence_windows=True)

    on_disk, in_memory = rows_on_disk(iter(examples), make, tmp_path / "rows.arrow"), make(examples)
    assert on_disk.cache_files
    assert fingerprint_of(on_disk) == fingerprint_of(in_memory)
    assert on_disk[1_700] == in_memory[1_700]
    np.testing.assert_array_equal(column(on_disk, "labels"), np.array(in_memory["labels"]))


def test_files_give_what_reading_them_gives(toy_files, policy):
    paths = (toy_files["train"], toy_files["dev"])
    assert tuple(ExampleFiles(paths, policy)) == read_examples(paths, policy)


def test_an_id_that_comes_twice_is_told_with_both_places(policy, tmp_path):
    examples = make_examples(4, seed=0)
    write_examples(tmp_path / "a.jsonl", examples)
    write_examples(tmp_path / "b.jsonl", [replace(examples[0], id="new"), examples[2]])
    with pytest.raises(DataError) as caught:
        list(ExampleFiles((tmp_path / "a.jsonl", tmp_path / "b.jsonl"), policy))
    (problem,) = caught.value.problems
    assert (Path(problem.path).name, problem.line) == ("b.jsonl", 2)
    assert "a.jsonl:3" in problem.message


def test_broken_lines_are_told_and_leave_no_file(policy, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "a"}\n')
    with pytest.raises(DataError, match="text: expected"):
        rows_on_disk(ExampleFiles((tmp_path / "a.jsonl",), policy), lambda part: None, tmp_path / "rows.arrow")
    assert not list(tmp_path.glob("*.arrow"))


def test_a_sample_is_drawn_evenly_and_counts_all(policy, tmp_path):
    write_examples(tmp_path / "a.jsonl", make_examples(50, seed=0))
    files = ExampleFiles((tmp_path / "a.jsonl",), policy)
    counts = dict.fromkeys((example.id for example in files), 0)
    for seed in range(100):
        sample = files.sample(10, seed=seed)
        assert sample.n_examples == 50
        for example in sample.examples:
            counts[example.id] += 1
    # Each of the 50 is drawn 20 times of 100 on average, standard deviation 4.
    assert 4 < min(counts.values())
    assert max(counts.values()) < 36


def test_out_of_core_training_gives_the_weights_of_training_in_memory(toy, toy_files, policy, still_base, tmp_path):
    config = still_config(still_base, n_epochs=1)
    plain = train_model(*toy, policy, config, tmp_path / "plain", progress=False)
    files = ExampleFiles((toy_files["train"],), policy)
    on_disk = train_model(files, toy[1], policy, replace(config, out_of_core=True), tmp_path / "disk", progress=False)
    assert torch.equal(weights(plain.folder, policy), weights(on_disk.folder, policy))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_texts(toy_files, tiny_base, tmp_path):
    grown = {}
    for n in (3_000, 300_000):
        path = tmp_path / f"{n}.jsonl"
        with path.open("w", encoding="utf-8") as handle:
            for i in range(n):
                handle.write(json.dumps({"id": str(i), "text": f"收U出U{i}", "source": "post", "categories": ["trading"], "severity": 1}) + "\n")
        config = {"base": str(tiny_base), "max_tokens": 32, "overlap_tokens": 8, "out_of_core": True}
        job = {"train": str(path), "dev": str(toy_files["dev"]), "run_dir": str(tmp_path), "config": config}
        grown[n] = json.loads(run("memory", json.dumps(job)))
    assert grown[300_000]["n_rows"] == 300_000
    # 12 bytes an id, 12 for length and order; 100 Example objects alone would be about 150 kB, all of them 450 MB.
    assert grown[300_000]["bytes"] - grown[3_000]["bytes"] < 60e6, grown


# Time and energy


def zone(folder, name, microjoules):
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "energy_uj").write_text(f"{microjoules}\n")


def test_packages_count_and_their_parts_do_not(tmp_path):
    zone(tmp_path, "intel-rapl:0", 2_000_000)
    zone(tmp_path, "intel-rapl:1", 1_000_000)
    zone(tmp_path, "intel-rapl:0:0", 500_000)
    assert package_joules(tmp_path) == 3.0
    meter = Meter(tmp_path)
    zone(tmp_path, "intel-rapl:0", 6_000_000)
    assert meter.spent().joules == 4.0
    zone(tmp_path, "intel-rapl:0", 0)
    assert meter.spent().joules is None


def test_without_counters_the_energy_is_not_known(tmp_path):
    assert Meter(tmp_path).spent().joules is None
