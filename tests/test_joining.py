"""Texts among others: labels, evidence and the share of both kinds stay what they are."""

from __future__ import annotations

from collections import Counter

from classifier.training.joining import MAX_NEIGHBOURS, joined

from .conftest import make_examples

EXAMPLES = make_examples(200, seed=5)


def copies(share, seed=1):
    return joined(EXAMPLES, share=share, seed=seed)[len(EXAMPLES) :]


def test_nothing_is_added_where_nothing_is_asked_for():
    assert joined(EXAMPLES, share=0.0, seed=1) == tuple(EXAMPLES)


def test_a_copy_holds_its_text_its_labels_and_its_evidence():
    by_id = {example.id: example for example in EXAMPLES}
    for copy in copies(0.5):
        original = by_id[copy.id.removesuffix("#joined")]
        assert original.text in copy.text.split("\n")
        assert (copy.categories, copy.severity, copy.evidence) == (original.categories, original.severity, original.evidence)
        assert all(evidence in copy.text for evidence in copy.evidence)


def test_what_stands_around_is_benign_and_little():
    benign = {example.text for example in EXAMPLES if not example.violating}
    by_id = {example.id: example for example in EXAMPLES}
    for copy in copies(1.0):
        parts = Counter(copy.text.split("\n")) - Counter([by_id[copy.id.removesuffix("#joined")].text])
        assert 1 <= parts.total() <= MAX_NEIGHBOURS
        assert set(parts) <= benign


def test_only_posts_are_joined_and_both_kinds_alike():
    posts = [example for example in EXAMPLES if example.source == "post"]
    made = copies(1.0)
    assert len(made) == len(posts)
    assert sum(copy.violating for copy in made) == sum(example.violating for example in posts)


def test_a_seed_decides_everything():
    assert copies(0.3, seed=2) == copies(0.3, seed=2)
    assert copies(0.3, seed=2) != copies(0.3, seed=3)
