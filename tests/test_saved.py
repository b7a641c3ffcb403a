"""Saved results come back as they were written, and never stand in the report of another bundle."""

import json

import pytest

from classifier.errors import CalibrationError
from classifier.evaluation.saved import ATTACK_FILE, EVALUATION_FILE, EVIDENCE_FILE, read_attack, read_baselines, read_evidence, saved_in
from tests.report_sample import sample_attack, sample_evidence, sample_report, with_everything

DATA = {"test.jsonl": "d" * 64}


@pytest.fixture(scope="module")
def bundle():
    return sample_report().bundle


@pytest.fixture(scope="module")
def attack(bundle):
    return sample_attack(bundle).to_dict()


@pytest.fixture(scope="module")
def evidence(bundle):
    return sample_evidence(bundle).to_dict()


@pytest.fixture(scope="module")
def evaluation(bundle):
    facts = {"model": bundle.model_fingerprint, "policy": bundle.policy.fingerprint, "data": DATA}
    return with_everything(sample_report()).to_dict() | {"facts": facts}


def written(path, content):
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def test_an_attack_comes_back_as_it_was(attack, bundle, tmp_path):
    found = read_attack(written(tmp_path / "a.json", attack), bundle)
    assert found.to_dict() == attack
    assert found.over_corrections == ("pinyin",)


def test_a_check_of_the_evidence_comes_back_as_it_was(evidence, bundle, tmp_path):
    assert read_evidence(written(tmp_path / "e.json", evidence), bundle).to_dict() == evidence


def test_baselines_come_back_as_they_were(evaluation, bundle, tmp_path):
    found = read_baselines(written(tmp_path / "v.json", evaluation), bundle, DATA)
    assert [item.to_dict() for item in found] == evaluation["baselines"]
    assert len(found) == 2


def test_what_the_texts_could_not_define_comes_back_as_nan(evidence, bundle, tmp_path):
    unknown = {"value": None, "low": None, "high": None, "n": 0}
    changed = evidence | {"faithfulness": evidence["faithfulness"] | {"f1": unknown}}
    found = read_evidence(written(tmp_path / "e.json", changed), bundle)
    assert found.faithfulness.f1.value != found.faithfulness.f1.value
    assert found.to_dict() == changed


@pytest.mark.parametrize(
    ("name", "said"), [("model_fingerprint", "model"), ("policy_fingerprint", "policy"), ("ladder_fingerprint", "thresholds")]
)
def test_results_of_another_bundle_are_refused(name, said, attack, evidence, bundle, tmp_path):
    for read, content in ((read_attack, attack), (read_evidence, evidence)):
        path = written(tmp_path / "r.json", content | {name: "f" * 16})
        with pytest.raises(CalibrationError, match=f"expected results of {said} .* but got those of ffff"):
            read(path, bundle)


@pytest.mark.parametrize(("name", "value"), [("model", "f" * 16), ("policy", "f" * 16), ("data", {"test.jsonl": "e" * 64})])
def test_baselines_judged_against_something_else_are_refused(name, value, evaluation, bundle, tmp_path):
    path = written(tmp_path / "v.json", evaluation | {"facts": evaluation["facts"] | {name: value}})
    with pytest.raises(CalibrationError, match=f"judged against {name}"):
        read_baselines(path, bundle, DATA)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"results": 3}', '{"facts": 1, "baselines": []}'])
def test_a_foreign_file_is_refused_with_what_to_do(content, bundle, tmp_path):
    path = tmp_path / "x.json"
    path.write_text(content, encoding="utf-8")
    for read in (read_attack, read_evidence, lambda *given: read_baselines(*given, DATA)):
        with pytest.raises(CalibrationError, match=r"x\.json: expected .* run `classifier"):
            read(path, bundle)


def test_a_value_of_another_kind_is_refused(attack, bundle, tmp_path):
    with pytest.raises(CalibrationError, match="expected <class 'int'>, but got 'many'"):
        read_attack(written(tmp_path / "a.json", attack | {"n": "many"}), bundle)


def test_a_folder_gives_what_fits_and_says_why_the_rest_is_left_out(attack, evidence, evaluation, bundle, tmp_path):
    written(tmp_path / ATTACK_FILE, attack)
    written(tmp_path / EVIDENCE_FILE, evidence | {"model_fingerprint": "f" * 16})
    written(tmp_path / EVALUATION_FILE, evaluation)
    found = saved_in(tmp_path, bundle, DATA)
    assert found.attack is not None
    assert found.evidence is None
    assert "expected results of model" in found.no_evidence
    assert len(found.baselines) == 2


def test_an_empty_folder_gives_nothing_but_sentences(bundle, tmp_path):
    found = saved_in(tmp_path / "none", bundle, DATA)
    assert (found.attack, found.evidence, found.baselines) == (None, None, ())
    for said in (found.no_attack, found.no_evidence, found.no_baselines):
        assert "there is none" in said
