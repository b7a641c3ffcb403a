"""The bundle: complete, verified, refused when one file is damaged, and readable by plain transformers."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from transformers import BertForSequenceClassification

from classifier.bundle import LAYOUT, EncoderSettings, load_bundle
from classifier.errors import BundleError
from classifier.inference import Classifier
from classifier.training.assemble import recalibrated


@pytest.fixture
def copy(tiny_bundle, tmp_path):
    return shutil.copytree(tiny_bundle.folder, tmp_path / "copy")


def test_a_copy_loads_with_the_same_fingerprints(tiny_bundle, copy):
    loaded = load_bundle(copy)
    assert loaded.model_fingerprint == tiny_bundle.model_fingerprint
    assert loaded.policy.fingerprint == tiny_bundle.policy.fingerprint


def test_there_is_no_pickle_in_it(tiny_bundle):
    suffixes = {path.suffix for path in tiny_bundle.folder.iterdir()}
    assert suffixes <= {".json", ".onnx", ".safetensors", ".md"}


@pytest.mark.parametrize("name", [*LAYOUT.required, LAYOUT.weights])
def test_one_altered_byte_in_any_file_is_refused(copy, name):
    path = copy / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(BundleError, match=rf"{name}: expected SHA-256 .* but got .* altered"):
        load_bundle(copy)


@pytest.mark.parametrize("name", [*LAYOUT.required, LAYOUT.manifest])
def test_a_missing_file_is_refused(copy, name):
    (copy / name).unlink()
    with pytest.raises(BundleError, match=name):
        load_bundle(copy)


def test_another_format_version_is_refused(copy):
    path = copy / LAYOUT.manifest
    manifest = json.loads(path.read_text())
    manifest["format_version"] = 99
    path.write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="expected format version 1, but got 99"):
        load_bundle(copy)


def test_a_folder_that_is_no_bundle_is_not_overwritten(tiny_bundle, tmp_path):
    (tmp_path / "letters").mkdir()
    with pytest.raises(BundleError, match="something else stands there"):
        recalibrated(
            tiny_bundle,
            tmp_path / "letters",
            calibration=tiny_bundle.calibration,
            category_thresholds=tiny_bundle.category_thresholds,
            ladder=tiny_bundle.ladder,
            provenance={},
        )


def test_provenance_names_data_seed_versions(tiny_bundle):
    provenance = tiny_bundle.provenance
    assert set(provenance["data"]["train"]) == {"train.jsonl"}
    assert provenance["config"]["seed"] == 7
    assert provenance["versions"]["torch"] == torch.__version__.split("+")[0] or provenance["versions"]["torch"] == torch.__version__


def test_plain_transformers_gives_the_same_logits(tiny_bundle):
    model = BertForSequenceClassification.from_pretrained(tiny_bundle.folder).eval()
    assert model.config.id2label[0] == "issuance"
    classifier = Classifier(tiny_bundle, n_threads=1)
    (window,) = classifier._encoder._windower.windows(["收U出U加微信"], [1])
    with torch.inference_mode():
        ids = torch.tensor([window.ids])
        expected = model(input_ids=ids, attention_mask=torch.ones_like(ids), token_type_ids=torch.ones_like(ids)).logits.numpy()
    np.testing.assert_allclose(classifier.encode(["收U出U加微信"], source="bio").logits, expected, atol=1e-4)


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match="overlap_tokens"):
        EncoderSettings(max_tokens=16, overlap_tokens=15)
