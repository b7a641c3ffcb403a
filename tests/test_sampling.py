import subprocess
import sys

import numpy as np
import pytest

from classifier.decisions.sampling import one_per_cluster, split_clusters
from classifier.errors import CalibrationError


def test_one_text_of_each_cluster_is_drawn():
    clusters = np.array([5, 5, 2, 9, 9, 9])
    assert sorted(clusters[one_per_cluster(clusters, seed=1)].tolist()) == [2, 5, 9]


def test_members_of_a_cluster_are_drawn_evenly():
    drawn = [one_per_cluster(np.zeros(4, dtype=int), seed=seed)[0] for seed in range(2000)]
    # Each share has a standard error of 0.0097.
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 2000, 0.25, atol=0.04)


def test_same_seed_same_draw():
    clusters = np.arange(100) // 5
    np.testing.assert_array_equal(one_per_cluster(clusters, seed=3), one_per_cluster(clusters, seed=3))


def test_split_tears_no_cluster_and_meets_its_share():
    clusters = np.arange(400) // 4
    first = split_clusters(clusters, share=0.3, seed=0)
    assert set(clusters[first]) & set(clusters[~first]) == set()
    assert np.unique(clusters[first]).size == 30


def test_one_cluster_cannot_be_split():
    with pytest.raises(CalibrationError, match="two clusters"):
        split_clusters(np.zeros(5, dtype=int), share=0.5, seed=0)


def test_clusters_that_are_no_integers_are_refused():
    with pytest.raises(CalibrationError, match="one integer cluster"):
        one_per_cluster([0.5, 1.5], seed=0)


def test_importing_decisions_imports_neither_scipy_nor_scikit_learn():
    code = "import sys, classifier.decisions; print(sorted({'scipy', 'sklearn', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
