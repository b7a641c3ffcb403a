"""Recipes of training: each does what its paper says, on numbers worked by hand or against torch, and the model that comes out is a stock BERT."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from classifier.examples import Example, targets_of
from classifier.records import read_examples
from classifier.training.adversary import Adversary, adversarial_step
from classifier.training.augment import augmented
from classifier.training.averaging import last_checkpoints, mean_weights
from classifier.training.config import TrainingConfig
from classifier.training.encoding import Collator, training_rows
from classifier.training.losses import contradiction, disagreement, evidence_loss, pair_loss, question_losses
from classifier.training.optimizer import make_optimizer
from classifier.training.pairs import PairSampler
from classifier.training.readers import softened_targets
from classifier.training.train import load_base, train_model

ALL = {
    "layer_decay": 0.8,
    "loss": "focal",
    "category_weight": 2.0,
    "ordinal_weight": 0.1,
    "rdrop_weight": 0.5,
    "fgm_epsilon": 0.05,
    "augment_benign_share": 0.3,
    "pair_weight": 0.3,
    "evidence_weight": 0.3,
    "average_last": 2,
}


@pytest.fixture(scope="module")
def toy(toy_files, policy):
    """Training and dev texts; each violating training text is the twin of the benign one before it."""
    train, dev = (read_examples([toy_files[name]], policy) for name in ("train", "dev"))
    return [replace(example, group=f"g{i // 2}") for i, example in enumerate(train)][:64], dev


@pytest.fixture(scope="module")
def readings(toy, tmp_path_factory):
    """Second readings: of the first violating training text the second reader says benign, of 40 others the same."""
    path = tmp_path_factory.mktemp("readings") / "second.jsonl"
    lines = []
    for i, example in enumerate(toy[0][:41]):
        first = {"categories": list(example.categories), "severity": example.severity}
        second = {"categories": [], "severity": 0} if i == 1 else first
        lines.append(json.dumps({"id": example.id, "first": first, "second": second, "settled": first}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def config(tiny_config, readings):
    """All recipes at once, two epochs."""
    return replace(tiny_config, n_epochs=2, smooth_by_readers=str(readings), **ALL)


@pytest.fixture(scope="module")
def all_recipes(toy, policy, config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("all")
    return folder, train_model(*toy, policy, config, folder, progress=False)


def _weights(folder, policy):
    return torch.cat([p.detach().ravel() for p in load_base(str(folder), policy)[1].parameters()])


def test_all_recipes_together_leave_a_stock_model(all_recipes, policy):
    names = set(load_file(all_recipes[1].folder / "model.safetensors"))
    assert names == set(load_base(str(all_recipes[1].folder), policy)[1].state_dict())
    assert all_recipes[1].dev_average_precision > 0.2


def test_all_recipes_together_are_decided_by_the_seed(all_recipes, toy, policy, config, tmp_path):
    second = train_model(*toy, policy, config, tmp_path, progress=False)
    assert torch.equal(_weights(second.folder, policy), _weights(all_recipes[1].folder, policy))


def test_all_recipes_together_resume_exactly(all_recipes, toy, policy, config, tmp_path):
    train_model(*toy, policy, config, tmp_path, progress=False)
    last = last_checkpoints(tmp_path / "checkpoints", 1)[0]
    for path in sorted(last.rglob("*"), reverse=True):
        path.unlink()
    last.rmdir()
    resumed = train_model(*toy, policy, config, tmp_path, resume=True, progress=False)
    assert torch.equal(_weights(resumed.folder, policy), _weights(all_recipes[1].folder, policy))


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("average_last", "augment_benign_share")])
def test_each_recipe_changes_the_gradient(name, toy, policy, tiny_config, tmp_path):
    config = replace(tiny_config, n_epochs=1, probe_head=False)
    plain, changed = (
        train_model(toy[0][:16], toy[1][:8], policy, replace(config, **changes), tmp_path / str(len(changes)), progress=False)
        for changes in ({}, {name: ALL[name]})
    )
    assert not torch.equal(_weights(plain.folder, policy), _weights(changed.folder, policy))


def test_rates_fall_with_the_depth_of_the_layer(policy, tiny_config):
    model = load_base(tiny_config.base, policy)[1]
    groups = make_optimizer(model, replace(tiny_config, learning_rate=1.0, head_learning_rate=7.0, layer_decay=0.5)).param_groups
    rate_of = {parameter: group["lr"] for group in groups for parameter in group["params"]}
    assert len(rate_of) == len(list(model.parameters()))
    assert rate_of[model.classifier.weight] == rate_of[model.bert.pooler.dense.bias] == 7.0
    assert rate_of[model.bert.encoder.layer[1].output.dense.weight] == 1.0
    assert rate_of[model.bert.encoder.layer[0].output.dense.weight] == 0.5
    assert rate_of[model.bert.embeddings.word_embeddings.weight] == 0.25


@pytest.mark.parametrize("kind", ["bce", "focal", "asymmetric"])
def test_a_soft_target_mixes_the_losses_of_both_answers(kind):
    logits, positives = torch.linspace(-4, 4, 9)[:, None], torch.tensor([2.0])
    yes, no, soft = (question_losses(logits, torch.full_like(logits, t), kind=kind, positives=positives) for t in (1.0, 0.0, 0.3))
    torch.testing.assert_close(soft, 0.3 * yes + 0.7 * no)


@pytest.mark.parametrize(
    ("kind", "yes", "no"),
    [("focal", 2 * 0.2**2 * -np.log(0.8), 0.8**2 * -np.log(0.2)), ("asymmetric", -np.log(0.8), 0.75**4 * -np.log(0.25))],
)
def test_losses_by_hand_at_a_prob_of_80_percent(kind, yes, no):
    logits = torch.log(torch.tensor([[4.0, 4.0]]))
    found = question_losses(logits, torch.tensor([[1.0, 0.0]]), kind=kind, positives=torch.tensor([2.0, 2.0]))
    np.testing.assert_allclose(found.numpy(), [[yes, no]], rtol=1e-5)


def test_an_easy_negative_costs_nothing_in_the_asymmetric_loss():
    logits = torch.tensor([[-4.0]], requires_grad=True)
    loss = question_losses(logits, torch.zeros(1, 1), kind="asymmetric", positives=torch.ones(1))
    loss.sum().backward()
    assert loss.item() == 0
    assert logits.grad.item() == 0


def test_answers_that_agree_contradict_nothing():
    assert contradiction(torch.tensor([[3.0, -5.0, 2.0, 1.0, 0.5]]), 2).item() == 0


def test_the_distance_of_two_passes_is_torchs_own():
    first, second = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    one, two = torch.distributions.Bernoulli(logits=first), torch.distributions.Bernoulli(logits=second)
    kl = torch.distributions.kl_divergence
    torch.testing.assert_close(disagreement(first, second), ((kl(one, two) + kl(two, one)) / 2).mean())


def test_a_pair_wide_enough_apart_costs_nothing():
    violating, groups = torch.tensor([True, False, False]), torch.tensor([0, 0, 1])
    assert pair_loss(torch.tensor([2.0, 0.0, 5.0]), violating, groups).item() == 0


def test_texts_without_a_group_are_no_pairs():
    assert pair_loss(torch.tensor([0.0, 5.0]), torch.tensor([True, False]), torch.tensor([-1, -1])).item() == 0


def test_padding_does_not_count_as_missed_evidence():
    short, long = torch.zeros(1, 2), torch.tensor([[0.0, 0.0, 9.0]])
    assert evidence_loss(short, torch.tensor([[1, 0]])) == evidence_loss(long, torch.tensor([[1, 0, -1]]))


def test_twins_share_a_batch_and_every_row_comes_once():
    groups = [i // 2 if i < 40 else -1 for i in range(75)]
    violating = [i % 2 == 0 for i in range(75)]
    sampler = PairSampler(groups, violating, list(range(75)), batch_size=8, seed=1)
    rows = list(sampler)
    assert sorted(rows) == list(range(75))
    batch_of = {row: place // 8 for place, row in enumerate(rows)}
    assert all(batch_of[i] == batch_of[i + 1] for i in range(0, 40, 2))


def test_the_order_of_pairs_changes_with_the_epoch_and_returns():
    sampler = PairSampler([-1] * 30, [False] * 30, [1] * 30, batch_size=4, seed=1)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first


def test_an_odd_batch_cannot_hold_twins():
    with pytest.raises(ValueError, match="an even number of texts in a pass"):
        PairSampler([0, 0], [True, False], [1, 1], batch_size=3, seed=1)


def _tokens(policy, base):
    tokenizer, model = load_base(str(base), policy)
    rows = tokenizer(["收U出U", "今天看见一只猫"], padding=True, return_tensors="pt")
    return model.eval(), {name: rows[name] for name in ("input_ids", "attention_mask")}


@pytest.mark.parametrize("bf16", [False, True])
def test_an_adversarial_step_raises_the_loss_and_leaves_the_weights_alone(policy, tiny_base, bf16):
    model, inputs = _tokens(policy, tiny_base)
    adversary = Adversary(model.bert.embeddings.word_embeddings, 0.05)
    before = [parameter.detach().clone() for parameter in model.parameters()]

    def loss():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            return torch.nn.functional.binary_cross_entropy_with_logits(model(**inputs).logits.float(), torch.ones(2, 7))

    clean = loss()
    clean.backward()
    with adversary.moved():
        moved = loss()
        assert moved > clean
    assert all(torch.equal(one, two) for one, two in zip(before, model.parameters(), strict=True))
    assert loss() == clean


def test_an_adversarial_step_does_not_depend_on_gradients_accumulated_before(policy, tiny_base):
    model, inputs = _tokens(policy, tiny_base)
    adversary = Adversary(model.bert.embeddings.word_embeddings, 0.05)
    moved = []
    for _ in range(2):  # the second round starts with the gradients of the first, and a loss of another scale
        (model(**inputs).logits.sum() / (1 + len(moved))).backward()
        with adversary.moved():
            moved.append(model(**inputs).logits.detach())
    torch.testing.assert_close(moved[0], moved[1])


def test_an_adversarial_pass_without_one_before_it_is_refused(policy, tiny_base):
    adversary = Adversary(_tokens(policy, tiny_base)[0].bert.embeddings.word_embeddings, 0.05)
    with pytest.raises(ValueError, match="Expected a forward and a backward pass"), adversary.moved():
        pass


def test_each_text_moves_by_its_own_length():
    embeddings, gradient = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    step = adversarial_step(embeddings, gradient, 0.1)
    torch.testing.assert_close(step.flatten(1).norm(dim=1), 0.1 * embeddings.flatten(1).norm(dim=1))
    assert adversarial_step(embeddings, torch.zeros_like(gradient), 0.1).abs().max() == 0


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    return AutoTokenizer.from_pretrained(tiny_base)


def test_marks_lie_on_the_evidence_and_nowhere_in_benign_texts(policy, tokenizer):
    examples = [
        Example("v", "今天收U出U加微信", "post", ("trading",), 2, evidence=("收U出U",)),
        Example("b", "今天看见猫", "post", (), 0),
        Example("w", "收U", "post", ("trading",), 2),
    ]
    rows = training_rows(examples, policy, tokenizer, max_tokens=16, source_input="token_type", evidence_marks=True)
    batch = Collator(tokenizer)([rows[i] for i in range(3)])
    marked = batch["input_ids"][0][batch["evidence_marks"][0] == 1]
    assert tokenizer.decode(marked).replace("##", "").replace(" ", "") == "收U出U"
    assert set(batch["evidence_marks"][1].tolist()) == {-1, 0}
    assert set(batch["evidence_marks"][2].tolist()) == {-1}
    assert batch["evidence_marks"].shape == batch["input_ids"].shape


def test_targets_that_readers_dispute_are_the_mean_of_both(toy, policy, readings):
    softened = softened_targets(toy[0], policy, readings)
    labels = targets_of(toy[0], policy)
    np.testing.assert_allclose(softened[1], labels[1] / 2)


def test_other_targets_are_smoothed_by_the_error_of_one_reader(toy, policy, readings):
    softened, labels = softened_targets(toy[0], policy, readings), targets_of(toy[0], policy)
    violation = policy.n_categories
    error = abs(softened[3, violation] - labels[3, violation])
    assert 2 * error * (1 - error) == pytest.approx(1 / 41, rel=1e-4)
    assert abs(softened[0, violation] - labels[0, violation]) == pytest.approx(error)


def test_a_rewritten_copy_has_the_targets_of_its_original(toy, policy, readings):
    copy = replace(toy[0][1], id=f"{toy[0][1].id}#marks-1")
    np.testing.assert_array_equal(softened_targets([copy], policy, readings)[0], softened_targets(toy[0], policy, readings)[1])


def test_weights_are_averaged_over_the_last_checkpoints(tmp_path):
    for step, value in ((5, 100.0), (10, 1.0), (15, 3.0)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        save_file({"w": torch.full((2,), value), "n": torch.tensor([step])}, tmp_path / f"checkpoint-{step}" / "model.safetensors")
    mean = mean_weights(last_checkpoints(tmp_path, 2))
    assert mean["w"].tolist() == [2.0, 2.0]
    assert mean["n"].tolist() == [15]


SAID = "收U出U,微信群里老师带单,日息三百元,藏品低价转让,大家快加微信"


def test_benign_texts_may_be_rewritten_more_often():
    examples = [Example(f"v{i}", f"{SAID}{i}", "post", ("trading",), 2) for i in range(40)]
    examples += [Example(f"b{i}", f"新闻:{SAID}{i}", "post", (), 0) for i in range(40)]
    few, more = (augmented(examples, share=0.25, benign_share=share, seed=3)[80:] for share in (0.0, 1.0))
    n_benign, n_violating = ([sum(copy.violating == kind for copy in copies) for copies in (few, more)] for kind in (False, True))
    assert n_benign[1] > 30 > n_benign[0]
    assert n_violating[1] <= 20


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"loss": "hinge"}, "`loss` to be one of bce, focal, asymmetric, but got 'hinge'"),
        ({"layer_decay": 0.0}, "`layer_decay` above 0"),
        ({"rdrop_weight": -1.0}, "`rdrop_weight` of at least 0"),
        ({"augment_benign_share": 1.5}, "`augment_benign_share` from 0 to 1"),
        ({"source_input": "pair"}, "`source_input` to be one of"),
    ],
)
def test_a_recipe_out_of_range_is_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        TrainingConfig(**changes)
