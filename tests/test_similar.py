"""Near duplicates against counting every pair by hand."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.data import similar_texts
from classifier.data.components import components
from classifier.data.similar import same_text

letters = st.text("abc币 Ｂ", max_size=14)


def grams(text: str) -> set[str]:
    text = same_text(text).ljust(5, "_")
    return {text[i : i + 5] for i in range(len(text) - 4)}


def overlap(first: str, second: str) -> float:
    return len(grams(first) & grams(second)) / min(len(grams(first)), len(grams(second)))


@settings(max_examples=150, deadline=None)
@given(st.lists(letters, max_size=12), st.sampled_from([0.2, 0.5, 0.75, 1.0]))
def test_the_pairs_are_those_of_counting_every_pair(texts, min_overlap):
    found = similar_texts(texts, min_overlap=min_overlap)
    firsts = [i for i, text in enumerate(texts) if same_text(text) not in map(same_text, texts[:i])]
    expected = {(i, j): overlap(texts[i], texts[j]) for i, j in combinations(firsts, 2) if overlap(texts[i], texts[j]) >= min_overlap}
    assert dict(zip(map(tuple, found.pairs.tolist()), found.overlaps.tolist(), strict=True)) == pytest.approx(expected)


@settings(max_examples=100, deadline=None)
@given(st.lists(letters, max_size=12))
def test_the_exact_classes_are_those_of_equal_normalised_texts(texts):
    exact = similar_texts(texts).exact
    for i, j in combinations(range(len(texts)), 2):
        assert (exact[i] == exact[j]) == (same_text(texts[i]) == same_text(texts[j]))


def test_many_random_texts_are_found_as_by_counting_every_pair():
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("出收U币私加群"), size=size)) for size in rng.integers(1, 40, size=300)]
    pairs = {tuple(pair) for pair in similar_texts(texts, min_overlap=0.2).pairs.tolist()}
    firsts = [i for i, text in enumerate(texts) if text not in texts[:i]]
    assert pairs == {(i, j) for i, j in combinations(firsts, 2) if overlap(texts[i], texts[j]) >= 0.2}
    assert pairs


def test_half_of_the_smaller_text_is_enough():
    # 6 grams in the first text, 3 of them in the second
    assert similar_texts(["abcdefghij", "abcdefgXYZ123"]).overlaps.tolist() == [0.5]


def test_less_than_half_is_not_enough():
    assert len(similar_texts(["abcdefghij", "abcdefXYZ123"]).pairs) == 0


def test_clusters_reach_over_chains():
    found = similar_texts(["甲乙丙丁戊己庚辛壬癸", "无关的一句话而已", "甲乙丙丁戊己庚子丑寅", "戊己庚子丑寅卯辰"])
    assert found.pairs.tolist() == [[0, 2], [2, 3]]
    assert found.cluster.tolist() == [0, 1, 0, 0]


def test_white_space_width_and_case_make_no_difference():
    assert similar_texts(["出 USDT！", "出ｕｓｄｔ!\n"]).exact.tolist() == [0, 0]


def test_a_common_gram_is_capped_and_told_while_clusters_stay_whole():
    texts = [f"今晚八点准时开盘{chr(0x4E00 + i)}" for i in range(50)]
    found = similar_texts(texts, max_texts_per_gram=3)
    assert found.n_capped_grams > 0
    assert len(found.pairs) < 50 * 49 / 2
    assert set(found.cluster.tolist()) == {0}


def test_nothing_is_capped_where_grams_are_rare_enough():
    assert similar_texts(["今晚八点准时开盘一", "今晚八点准时开盘二"], max_texts_per_gram=1).n_capped_grams == 0


def test_no_texts_give_no_clusters():
    found = similar_texts([])
    assert (found.cluster.tolist(), found.pairs.shape) == ([], (0, 2))


def test_thousands_of_copies_are_one_class():
    assert set(similar_texts(["老师带单稳赚不赔"] * 5000).cluster.tolist()) == {0}


@pytest.mark.parametrize("wrong", [{"min_overlap": 0.0}, {"min_overlap": 1.1}, {"max_texts_per_gram": 0}])
def test_bounds_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="Expected 0 < min_overlap"):
        similar_texts(["币"], **wrong)


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))))))
def test_components_are_those_of_scipy(graph):
    csgraph, sparse = pytest.importorskip("scipy.sparse.csgraph"), pytest.importorskip("scipy.sparse")
    n_nodes, edges = graph
    matrix = sparse.coo_matrix((np.ones(len(edges)), tuple(np.array(edges, dtype=int).reshape(-1, 2).T)), shape=(n_nodes, n_nodes))
    expected = csgraph.connected_components(matrix, directed=False)[1]
    ours = components(n_nodes, edges)
    assert len({*zip(ours.tolist(), expected.tolist(), strict=True)}) == len(set(ours.tolist())) == len(set(expected.tolist()))
