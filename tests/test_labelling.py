"""Labelled texts to and from labelling tools. The samples of each format are written after the tools' own documentation, not by our writers."""

from __future__ import annotations

import dataclasses
import json
import uuid
from xml.etree import ElementTree

import numpy as np
import pytest

from classifier.bundle import load_bundle
from classifier.cli import app
from classifier.decisions import CategoryScore, Span
from classifier.errors import DataError, ScoresError
from classifier.evaluation.scores import Scores, write_scores
from classifier.examples import Example
from classifier.labelling import (
    TOOLS,
    Answer,
    Item,
    Suggestion,
    disagreement,
    export_items,
    import_labels,
    item_of,
    labelling_config,
    read_decisions,
    read_items,
    read_scored,
    settled,
)
from classifier.records import read_examples, write_examples
from tests.conftest import make_examples

TEXT = "🚀🚀收U出U,加微信"
SUGGESTION = Suggestion((CategoryScore("trading", 0.9), CategoryScore("financing", 0.6)), 2, 0.8, "m1", (Span(2, 4, "收U", 0.7),))


def full_example():
    return Example(
        id="a-1",
        text=TEXT,
        source="bio",
        categories=("trading", "financing"),
        severity=2,
        tags=("short", "emoji"),
        account_id="acc",
        published_at="2026-03-24",
        group="g1",
        annotator="anna",
        evidence=("收U出U",),
        extra={"note": {"deep": [1, None]}, "views": 3, "seen": True},
    )


def written(tmp_path, content, name="in.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def imported(tmp_path, content, tool, policy, name="in.json", **options):
    return import_labels([written(tmp_path, content, name)], tool, policy, **options)


def task(*annotations, text=TEXT, **more):
    return {"id": 7, "project": 83, "data": {"text": text}, "annotations": list(annotations), **more}


def annotation(*choices, by=1, spans=(), **more):
    result = [{"id": "x", "from_name": "tag", "to_name": "txt", "type": "choices", "origin": "manual", "value": {"choices": list(choices)}}]
    result += [{"from_name": "l", "to_name": "txt", "type": "labels", "value": {"start": s, "end": e, "labels": ["evidence"]}} for s, e in spans]
    return {"id": "1001", "completed_by": by, "was_cancelled": False, "ground_truth": False, "lead_time": 4.2, "result": result, **more}


@pytest.mark.parametrize("tool", TOOLS)
def test_round_trip_keeps_every_field(tmp_path, policy, tool):
    example = full_example()
    path = tmp_path / "anna.json"
    export_items(path, [item_of(example)], tool, {"a-1": SUGGESTION})
    found = import_labels([path], tool, policy)
    assert found.problems == ()
    expected = example if tool != "label-studio" else dataclasses.replace(example, annotator="annotator-1")  # it gives annotators ids of its own
    assert found.examples == (expected,)


@pytest.mark.parametrize("tool", TOOLS)
def test_round_trip_of_many_labels(tmp_path, policy, tool):
    examples = make_examples(60, seed=3)
    path = tmp_path / "label.json"
    export_items(path, [item_of(example) for example in examples], tool)
    found = import_labels([path], tool, policy).examples
    assert [dataclasses.replace(example, annotator=None) for example in found] == examples


@pytest.mark.parametrize("tool", TOOLS)
def test_predictions_come_back_as_answers_of_the_model(tmp_path, policy, tool):
    path = tmp_path / "x.json"
    export_items(path, [item_of(full_example())], tool, {"a-1": SUGGESTION})
    (prediction,) = import_labels([path], tool, policy).items[0].predictions
    assert (prediction.annotator, set(prediction.categories), prediction.severity) == ("m1", {"trading", "financing"}, 2)


@pytest.mark.parametrize("tool", TOOLS)
def test_unlabelled_texts_stay_unlabelled(tmp_path, policy, tool):
    path = written(tmp_path, '{"id": "n1", "text": "今天"}\n{"text": "明天", "source": "bio"}\n', "new.jsonl")
    items = read_items([path], policy)
    assert [(item.id, item.record["source"], item.answers) for item in items] == [("n1", "post", ()), ("new-2", "bio", ())]
    export_items(tmp_path / "out.json", items, tool)
    found = import_labels([tmp_path / "out.json"], tool, policy)
    assert (len(found.items), found.examples, found.problems) == (2, (), ())


def test_label_studio_sample_with_names_of_the_policy(tmp_path, policy):
    found = imported(tmp_path, [task(annotation("虚拟货币交易", "ban", by={"id": 4, "email": "bo@x.cn"}))], "label-studio", policy)
    (example,) = found.examples
    assert (example.id, example.categories, example.severity, example.annotator) == ("7", ("trading",), 3, "bo@x.cn")


def test_label_studio_offsets_are_utf16(tmp_path, policy):
    (example,) = imported(tmp_path, [task(annotation("trading", "severity:1", spans=[(4, 8)]))], "label-studio", policy).examples
    assert example.evidence == ("收U出U",)


def test_label_studio_prediction_has_score_model_and_utf16_span(tmp_path):
    export_items(tmp_path / "t.json", [item_of(full_example())], "label-studio", {"a-1": SUGGESTION})
    ((made,),) = [json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))]
    (prediction,) = made["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("m1", 0.8)
    span = prediction["result"][-1]["value"]
    assert (span["start"], span["end"], span["text"]) == (4, 6, "收U")


def test_skipped_annotations_do_not_count(tmp_path, policy):
    found = imported(tmp_path, [task(annotation("trading", "severity:1"), annotation("benign", by=2, was_cancelled=True))], "label-studio", policy)
    assert len(found.items[0].answers) == 1


def test_labelling_interface_names_every_control(tmp_path, policy):
    export_items(tmp_path / "t.json", [item_of(full_example())], "label-studio", {"a-1": SUGGESTION})
    root = ElementTree.fromstring(labelling_config(policy))
    controls = {node.get("name"): {child.get("value") for child in node} for node in root if node.tag in ("Choices", "Labels")}
    (made,) = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    for said in (*made["annotations"], *made["predictions"]):
        for region in said["result"]:
            assert set(region["value"][region["type"]]) <= controls[region["from_name"]]
            assert region["to_name"] == root.find("Text").get("name")


def test_doccano_sample_of_two_annotators(tmp_path, policy):
    # One file a user, labels sorted, as doccano exports where annotators work alone.
    anna = written(tmp_path, '{"id": 1, "text": "收U", "label": ["severity:2", "trading"], "Comments": []}\n', "anna.jsonl")
    bo = written(tmp_path, '{"id": 1, "text": "收U", "label": ["severity:2", "trading"], "Comments": ["?"]}\n', "bo.jsonl")
    (example,) = import_labels([anna, bo], "doccano", policy).examples
    assert (example.id, example.annotator, example.categories, dict(example.extra)) == ("1", "anna+bo", ("trading",), {})


def test_doccano_keeps_the_main_act_though_labels_are_sorted(tmp_path, policy):
    export_items(tmp_path / "l.jsonl", [item_of(full_example())], "doccano")
    line = json.loads((tmp_path / "l.jsonl").read_text(encoding="utf-8"))
    line["label"].sort()
    (example,) = imported(tmp_path, json.dumps(line), "doccano", policy, "anna.jsonl").examples
    assert example.categories == ("trading", "financing")


def test_argilla_sample(tmp_path, policy):
    user = str(uuid.uuid4())
    record = {
        "id": "r1",
        "fields": {"text": "abc收U"},
        "metadata": {"source": "bio"},
        "suggestions": {"categories": {"value": ["trading"], "score": [0.9], "agent": "m"}},
        "responses": {
            "categories": [{"value": ["trading"], "user_id": user}],
            "severity": [{"value": "severity:1", "user_id": user}],
            "evidence": [{"value": [{"start": 3, "end": 5, "label": "evidence"}], "user_id": user}],
            "comment": [{"value": "not sure", "user_id": user}],
        },
        "vectors": {},
        "_server_id": str(uuid.uuid4()),
    }
    (example,) = imported(tmp_path, [record], "argilla", policy).examples
    assert (example.source, example.evidence, example.severity, example.annotator) == ("bio", ("收U",), 1, user)


def test_argilla_has_one_score_for_each_suggested_category(tmp_path):
    export_items(tmp_path / "r.json", [item_of(full_example())], "argilla", {"a-1": SUGGESTION})
    (record,) = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert record["suggestions"]["categories"] == {"value": ["trading", "financing"], "score": [0.9, 0.6], "agent": "m1"}
    assert uuid.UUID(record["responses"]["severity"][0]["user_id"])


@pytest.mark.parametrize(
    ("tool", "content", "line", "field", "words"),
    [
        ("label-studio", "[1]", 1, "item", "JSON object"),
        ("label-studio", [{"text": "a", "sentiment": "x"}], 1, "data", "JSON-MIN"),
        ("label-studio", [task(annotation("benign"), text="")], 1, "text", "--text-field"),
        ("label-studio", [task(), task(annotation("cats"))], 2, "annotations[0].result", "'cats'"),
        ("label-studio", [task(annotation("trading", "severity:0"))], 1, "annotations[0].result", "severity 0 exactly"),
        ("label-studio", [task({"result": None})], 1, "annotations[0].result", "a list"),
        ("label-studio", [task(annotation("trading", "severity:1", spans=[(90, 99)]))], 1, "annotations[0].result[1].value", "90 to 99"),
        ("doccano", '{"text": "a", "label": []}\n{"text": "b", "label": [[0, 1, "x"]]}\n', 2, "label", "document classification"),
        ("doccano", '{"text": "a"}\n{"text": \n', 2, "line", "JSON object"),
        ("argilla", [{"fields": {"prompt": "a"}}], 1, "text", "prompt"),
        ("argilla", [{"fields": {"text": "a"}, "responses": {"severity": [{"value": 9}]}}], 1, "responses", "severity:9"),
        ("argilla", [{"fields": {"text": "a"}, "responses": {"severity": "x"}}], 1, "responses.severity", "list of objects"),
        ("argilla", [{"fields": {"text": "a"}, "metadata": {"extra_json": "["}}], 1, "metadata.extra_json", "JSON object"),
    ],
)
def test_a_problem_names_file_item_and_key(tmp_path, policy, tool, content, line, field, words):
    (problem,) = imported(tmp_path, content, tool, policy).problems
    assert (problem.path, problem.line, problem.field) == (str(tmp_path / "in.json"), line, field)
    assert words in problem.message


def test_what_is_sound_is_read_beside_a_problem(tmp_path, policy):
    found = imported(tmp_path, [task(annotation("cats")), {**task(annotation("trading", "severity:1")), "id": 8}], "label-studio", policy)
    assert [example.id for example in found.examples] == ["8"]
    assert len(found.problems) == 1


def test_one_id_with_two_texts_is_a_problem(tmp_path, policy):
    content = '{"id": "1", "text": "a", "label": ["benign"]}\n{"id": "1", "text": "b", "label": ["benign"]}\n'
    (problem,) = imported(tmp_path, content, "doccano", policy).problems
    assert (problem.line, problem.field) == (2, "text")


def test_one_annotator_with_two_answers_is_a_problem(tmp_path, policy):
    found = imported(tmp_path, [task(annotation("benign"), annotation("trading", "severity:1"))], "label-studio", policy)
    assert [problem.field for problem in found.problems] == ["answers"]


def test_a_text_without_majority_gets_no_label(tmp_path, policy):
    found = imported(tmp_path, [task(annotation("benign"), annotation("trading", "severity:1", by=2))], "label-studio", policy)
    assert found.examples == ()
    assert [item.id for item in found.disputed] == ["7"]


def test_half_is_no_majority():
    one, other = Answer("a", (), 0), Answer("b", ("trading",), 1)
    assert settled([one, other, dataclasses.replace(one, annotator="c"), dataclasses.replace(other, annotator="d")]) is None


def test_disagreement_by_hand(policy):
    def item(number, *answers, predictions=()):
        return Item("f", number, {"id": str(number), "text": "x", "source": "post"}, answers, predictions)

    yes, no = (("trading",), 2), ((), 0)
    said = [(yes, yes), (no, no), (yes, no), (no, no)]
    items = [item(i, Answer("a", *first), Answer("b", *second), predictions=(Answer("m", *yes),)) for i, (first, second) in enumerate(said)]
    result = disagreement([*items, item(9)], policy, seed=0, n_resamples=20)
    assert (result.n_items, result.n_answered, result.n_several, result.n_unanimous, result.disputed) == (5, 4, 4, 3, ("2",))
    assert (result.n_predicted, result.n_prediction_kept) == (3, 1)
    (pair,) = result.pairs
    # Observed 3/4, by chance 2/4*1/4 + 2/4*3/4 = 1/2.
    assert pair.agreement.violation.kappa == pytest.approx(0.5)


def test_suggestions_from_scores_are_the_most_probable_answer(tmp_path, policy, tiny_bundle):
    bundle = load_bundle(tiny_bundle.folder)
    examples = tuple(make_examples(12, seed=5))
    logits = np.random.default_rng(0).normal(0, 4, (12, 7)).astype(np.float32)
    scores = Scores(examples, logits, np.ones(12, dtype=np.int32), policy.fingerprint, bundle.encoder_fingerprint, {})
    write_scores(tmp_path / "s.npz", scores)
    found = read_scored(tmp_path / "s.npz", tiny_bundle.folder)
    probs = bundle.calibration.apply(logits)
    for i, example in enumerate(examples):
        suggestion = found[example.id]
        violating = probs[i, 4] >= 0.5
        assert (suggestion.severity > 0) == violating == bool(suggestion.categories)
        if not violating:
            assert suggestion.score == pytest.approx(1 - probs[i, 4])


def test_scores_of_another_encoder_are_refused(tmp_path, policy, tiny_bundle):
    scores = Scores((), np.zeros((0, 7), dtype=np.float32), np.zeros(0, dtype=np.int32), policy.fingerprint, "another", {})
    write_scores(tmp_path / "s.npz", scores)
    with pytest.raises(ScoresError, match="another"):
        read_scored(tmp_path / "s.npz", tiny_bundle.folder)


def test_decisions_of_another_policy_are_refused(tmp_path, policy, tiny_bundle):
    from classifier.inference import Classifier

    decision = Classifier.load(tiny_bundle.folder).classify_many(["收U"], ids=["1"])[0]
    path = written(tmp_path, json.dumps(decision.to_dict() | {"policy_fingerprint": "0" * 16}), "d.jsonl")
    with pytest.raises(DataError, match="policy_fingerprint"):
        read_decisions(path, policy)


@pytest.mark.parametrize("tool", TOOLS)
def test_command_line_there_and_back(tmp_path, policy, tiny_bundle, tool):
    from typer.testing import CliRunner

    from classifier.inference import Classifier

    example = full_example()
    write_examples(tmp_path / "a.jsonl", [example])
    decision = Classifier.load(tiny_bundle.folder).classify_many([example.text], ids=[example.id])[0]
    decisions = written(tmp_path, json.dumps(decision.to_dict()), "d.jsonl")
    there = ["data", "convert", tmp_path / "a.jsonl", "--to", tool, "--out", tmp_path / "anna.json", "--decisions", decisions]
    back = ["data", "convert", tmp_path / "anna.json", "--from", tool, "--out", tmp_path / "b.jsonl", "--json"]
    run = CliRunner()
    assert run.invoke(app, list(map(str, there))).exit_code == 0
    done = run.invoke(app, list(map(str, back)))
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["n_predicted"] == 1
    assert read_examples([tmp_path / "b.jsonl"], policy)[0].categories == example.categories


def test_command_line_writes_nothing_where_an_item_has_a_problem(tmp_path):
    from typer.testing import CliRunner

    path = written(tmp_path, [task(annotation("cats")), {**task(annotation("benign")), "id": 8}])
    command = list(map(str, ["data", "convert", path, "--from", "label-studio", "--out", tmp_path / "o.jsonl"]))
    run = CliRunner()
    assert run.invoke(app, command).exit_code == 1
    assert not (tmp_path / "o.jsonl").exists()
    assert run.invoke(app, [*command, "--keep-going"]).exit_code == 1
    assert (tmp_path / "o.jsonl").exists()
