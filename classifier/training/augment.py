"""Training texts seen once more, spelt as those do who try to pass a filter; benign ones too, or spelling would give the label away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from classifier.attacks import TECHNIQUES, rewrite_example
from classifier.examples import Example

INTENSITIES = (0.3, 0.6, 1.0)


def augmented(examples: Sequence[Example], *, share: float, seed: int) -> tuple[Example, ...]:
    """The examples, and behind them a rewritten copy of a random ``share`` of them.

    Technique and intensity are drawn for each copy; substitutes come from the ``train`` half of the tables. Techniques that normalisation undoes
    are left out: the model never sees them. A text in which a technique finds nothing to do gives no copy.

    :param share: from 0 (nothing is added) to 1.
    """
    if not share:
        return tuple(examples)
    generator = np.random.default_rng(seed)
    techniques = [technique for technique in TECHNIQUES.values() if not technique.undone]
    copies = []
    for i in np.sort(generator.permutation(len(examples))[: round(share * len(examples))]):
        technique = techniques[int(generator.integers(len(techniques)))]
        intensity = INTENSITIES[int(generator.integers(len(INTENSITIES)))]
        copy = rewrite_example(examples[i], technique, intensity, int(generator.integers(2**31)), half="train")
        if copy is not examples[i]:
            copies.append(copy)
    return (*examples, *copies)
