"""Agreement of two readers against hand-worked kappas and scikit-learn."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from typer.testing import CliRunner

from classifier.cli import app
from classifier.data import Reading, ReadTwice, agreement, read_readings
from classifier.errors import DataError

NONE = Reading((), 0)
TRADE = Reading(("trading",), 2)
FUND = Reading(("financing", "trading"), 3)


def read(first, second, settled=None, id="a"):
    return ReadTwice(id, first, second, settled or first)


def test_a_table_worked_by_hand(policy):
    # trading: both 4, first alone 1, second alone 1, none 4: observed 0.8, by chance 0.5, kappa 0.6.
    texts = [read(TRADE, TRADE)] * 4 + [read(TRADE, NONE), read(NONE, TRADE)] + [read(NONE, NONE)] * 4
    result = agreement(texts, policy, seed=1)
    trading = result.categories[policy.category_ids.index("trading")]
    assert trading.kappa == pytest.approx(0.6)
    assert (trading.n_both, trading.n_first_only, trading.n_second_only) == (4, 1, 1)
    assert trading.low < 0.6 < trading.high
    assert result.violation.kappa == pytest.approx(0.6)
    assert result.confusion[2][0] == 1
    assert (result.n_texts, result.n_equal, result.n_first_kept) == (10, 8, 2)


def test_a_category_that_nobody_saw_has_no_kappa(policy):
    assert math.isnan(agreement([read(TRADE, TRADE)] * 3, policy, seed=1).categories[policy.category_ids.index("issuance")].kappa)


def test_severity_agrees_with_scikit_learn(policy):
    generator = np.random.default_rng(3)
    first, second = generator.integers(0, 4, (2, 200))
    made = [read(*(Reading(("trading",), int(s)) if s else NONE for s in pair)) for pair in zip(first, second, strict=True)]
    assert agreement(made, policy, seed=1).severity_kappa == pytest.approx(cohen_kappa_score(first, second, weights="quadratic"))


def test_the_order_of_categories_is_no_difference_and_a_third_answer_counts_for_neither(policy):
    swapped = Reading(("trading", "financing"), 3)
    result = agreement([read(FUND, swapped), read(FUND, NONE, settled=TRADE), read(FUND, NONE, settled=NONE)], policy, seed=1)
    assert (result.n_equal, result.n_first_kept, result.n_second_kept) == (1, 0, 1)


def test_no_text_is_refused(policy):
    with pytest.raises(DataError, match="read twice"):
        agreement([], policy, seed=1)


def test_the_command_reads_and_prints(tmp_path):
    line = {"id": "a", **{who: {"categories": ["trading"], "severity": 2} for who in ("first", "second", "settled")}}
    other = {"id": "b", **{who: {"categories": [], "severity": 0} for who in ("first", "second", "settled")}}
    path = tmp_path / "r.jsonl"
    path.write_text(f"{json.dumps(line)}\n{json.dumps(other)}\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["data", "agreement", str(path)])
    assert done.exit_code == 0, done.output
    assert "trading: kappa 1.000 [1.000, 1.000]; both 1" in done.stdout


@pytest.mark.parametrize("second", [{"categories": ["theft"], "severity": 1}, {"categories": [], "severity": 1}, {"severity": 1}, None])
def test_a_line_that_is_no_reading_is_told(tmp_path, policy, second):
    good = {"categories": [], "severity": 0}
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps({"id": "a", "first": good, "second": second, "settled": good}) + "\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_readings(path, policy)
    assert error.value.problems[0].line == 1
