"""Training: repeatable, resumable, and the same through every kind of base."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from classifier.errors import DataError, EncoderError
from classifier.records import read_examples
from classifier.training.config import TrainingConfig
from classifier.training.export import export_onnx, fp32_difference
from classifier.training.losses import positive_weights, question_losses, question_weights
from classifier.training.probe import probe, whitening
from classifier.training.quantise import quantise
from classifier.training.train import load_base, train_model


@pytest.fixture(scope="module")
def toy(toy_files, policy):
    return [read_examples([toy_files[name]], policy) for name in ("train", "dev")]


@pytest.fixture(scope="module")
def first_run(toy, policy, tiny_config, tmp_path_factory):
    return train_model(*toy, policy, replace(tiny_config, n_epochs=2), tmp_path_factory.mktemp("first"), progress=False)


def _weights(folder, policy):
    _, model = load_base(str(folder), policy)
    return torch.cat([p.detach().ravel() for p in model.parameters()])


def test_two_runs_with_one_seed_are_equal(first_run, toy, policy, tiny_config, tmp_path):
    second = train_model(*toy, policy, replace(tiny_config, n_epochs=2), tmp_path, progress=False)
    assert second.dev_average_precision == first_run.dev_average_precision
    assert torch.equal(_weights(second.folder, policy), _weights(first_run.folder, policy))


def test_another_seed_gives_another_model(first_run, toy, policy, tiny_config, tmp_path):
    other = train_model(*toy, policy, replace(tiny_config, n_epochs=2, seed=8), tmp_path, progress=False)
    assert not torch.equal(_weights(other.folder, policy), _weights(first_run.folder, policy))


def test_a_run_resumes_from_its_last_checkpoint(first_run, toy, policy, tiny_config, tmp_path):
    config = replace(tiny_config, n_epochs=2)
    run = train_model(*toy, policy, config, tmp_path, progress=False)
    last = max((tmp_path / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    for path in sorted(last.rglob("*"), reverse=True):
        path.unlink()
    last.rmdir()
    resumed = train_model(*toy, policy, config, tmp_path, resume=True, progress=False)
    assert resumed.n_steps == run.n_steps
    assert torch.equal(_weights(resumed.folder, policy), _weights(first_run.folder, policy))


def test_the_fp32_export_agrees_with_torch(first_run, tmp_path):
    export_onnx(first_run.folder, tmp_path / "model.onnx")
    from transformers import BertForSequenceClassification

    model = BertForSequenceClassification.from_pretrained(first_run.folder).eval()
    assert fp32_difference(model, tmp_path / "model.onnx", seed=5) <= 1e-4


def test_the_export_tells_nothing_of_the_machine_it_was_made_on(first_run, tmp_path):
    export_onnx(first_run.folder, tmp_path / "model.onnx")
    content = (tmp_path / "model.onnx").read_bytes()
    assert b"site-packages" not in content
    assert str(tmp_path.parent).encode() not in content


def test_the_int8_export_is_smaller_and_close(first_run, tmp_path):
    import onnxruntime

    export_onnx(first_run.folder, tmp_path / "model.onnx")
    inputs = {name: np.ones((1, 8), dtype=np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
    quantise(tmp_path / "model.onnx", tmp_path / "int8.onnx", [inputs])
    assert (tmp_path / "int8.onnx").stat().st_size < (tmp_path / "model.onnx").stat().st_size
    logits = [onnxruntime.InferenceSession(str(tmp_path / name)).run(None, inputs)[0] for name in ("model.onnx", "int8.onnx")]
    assert np.abs(logits[0] - logits[1]).max() < 1.0


def test_training_on_texts_without_severity_is_refused(toy, policy, tiny_config, tmp_path):
    train, dev = toy
    bare = [replace(example, severity=None) if example.violating else example for example in train]
    with pytest.raises(DataError, match="expected a severity on every violating text, but 80 carry none"):
        train_model(bare, dev, policy, tiny_config, tmp_path, progress=False)


@pytest.mark.parametrize("base", ["no/such/model/folder", "nobody-here/no-such-model"])
def test_a_base_that_cannot_be_had_is_named(base, policy):
    with pytest.raises(EncoderError, match=base):
        load_base(base, policy)


def test_positive_weights_are_capped():
    labels = np.zeros((100, 2))
    labels[:10, 0] = labels[:60, 1] = 1
    assert positive_weights(labels, 3.0).tolist() == [3.0, 1.0]


def test_the_loss_equals_torchs_own():
    logits, labels = torch.tensor([[0.3, -2.0]]), torch.tensor([[1.0, 0.0]])
    weights = torch.tensor([2.0, 1.0])
    expected = torch.nn.BCEWithLogitsLoss(pos_weight=weights)(logits, labels)
    losses = question_losses(logits, labels, kind="bce", positives=weights)
    assert (losses * question_weights(1, 2, 1.0)).mean() == expected


def test_whitened_vectors_are_centred_and_uncorrelated():
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(500, 6)) @ generator.normal(size=(6, 6)) + 5
    matrix, offset = whitening(vectors)
    white = vectors @ matrix.T + offset
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-9)
    covariance = np.cov(white.T)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-9)
    assert (np.sqrt(np.diag(covariance)) <= 0.5 + 1e-9).all()


def test_a_question_with_one_answer_gets_its_log_odds():
    weights, biases = probe(np.eye(4), np.float32([[0, 1], [0, 0], [0, 1], [0, 0]]))
    assert weights[0].tolist() == [0, 0, 0, 0]
    assert biases[0] == pytest.approx(np.log(0.5 / 4.5))
    assert np.abs(weights[1]).sum() > 0


def test_settings_come_from_toml_and_options_win(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("n_epochs = 3\nlearning_rate = 1e-5\n")
    config = TrainingConfig.from_toml(path, n_epochs=9)
    assert (config.n_epochs, config.learning_rate) == (9, 1e-5)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("epochs = 3", "epochs: unknown setting"),
        ('n_epochs = "3"', "n_epochs: expected int, but got '3'"),
        ("n_epochs = true", "expected int"),
        ("=", "expected a TOML file"),
    ],
)
def test_a_bad_setting_names_file_and_key(tmp_path, text, told):
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=told) as caught:
        TrainingConfig.from_toml(path)
    assert "config.toml" in str(caught.value)


def test_a_value_out_of_range_is_refused():
    with pytest.raises(ValueError, match="`n_epochs` of at least 1, but got 0"):
        TrainingConfig(n_epochs=0)
