"""A baseline with category thresholds of its own. Needs scikit-learn; import it by its module."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from classifier.decisions.fit_calibration import best_category_thresholds
from classifier.evaluation.baselines.comparing import Baseline
from classifier.examples import Example, targets_of
from classifier.policy import Policy

FitPredict = Callable[[Sequence[Example], Sequence[Example]], npt.NDArray[np.float32]]
"""Training and test examples to probs of the test examples, float32 *Shape:* (n_test, n_questions)."""


def fitted_baseline(
    name: str, fit_predict: FitPredict, train_examples: Sequence[Example], test_examples: Sequence[Example], policy: Policy
) -> Baseline:
    """Train a baseline, with category thresholds of its own: chosen on the odd half of its training texts after fitting to the even half.

    :raises CalibrationError: when the training texts do not suffice.
    """
    even, odd = train_examples[::2], train_examples[1::2]
    thresholds = best_category_thresholds(fit_predict(even, odd), targets_of(odd, policy), policy)
    return Baseline(name, fit_predict(train_examples, test_examples), thresholds)
