"""Training texts seen once more, spelt as those do who try to pass a filter; benign ones too, or spelling would give the label away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from classifier.attacks import TECHNIQUES, rewrite_example
from classifier.examples import Example

INTENSITIES = (0.3, 0.6, 1.0)


def augmented(examples: Sequence[Example], *, share: float, seed: int, benign_share: float = 0.0) -> tuple[Example, ...]:
    """The examples, and behind them a rewritten copy of a random ``share`` of them, of the benign ones of ``benign_share`` where that is more.

    Technique and intensity are drawn for each copy; substitutes come from the ``train`` half of the tables. Techniques that normalisation undoes
    are left out: the model never sees them. A text in which a technique finds nothing to do gives no copy.

    :param share: from 0 (nothing is added) to 1.
    :param benign_share: likewise; a model that takes odd spelling itself for a sign needs more benign texts that are spelt oddly.
    """
    if not share and not benign_share:
        return tuple(examples)
    generator = np.random.default_rng(seed)
    techniques = [technique for technique in TECHNIQUES.values() if not technique.undone]
    copies = []
    for i in _chosen(examples, share, benign_share, generator):
        technique = techniques[int(generator.integers(len(techniques)))]
        intensity = INTENSITIES[int(generator.integers(len(INTENSITIES)))]
        copy = rewrite_example(examples[i], technique, intensity, int(generator.integers(2**31)), half="train")
        if copy is not examples[i]:
            copies.append(copy)
    return (*examples, *copies)


def _chosen(examples: Sequence[Example], share: float, benign_share: float, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """Positions of the texts that are rewritten, ascending."""
    order = generator.permutation(len(examples))
    chosen, others = np.split(order, [round(share * len(examples))])
    benign = np.array([not example.violating for example in examples], dtype=np.bool_)
    n_more = max(0, round(benign_share * benign.sum()) - int(benign[chosen].sum()))
    return np.sort(np.concatenate([chosen, others[benign[others]][:n_more]]))
