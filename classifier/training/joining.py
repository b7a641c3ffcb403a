"""Training texts seen once more among others: a violation in the middle of a long post must not drown in what stands around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from classifier.data.join import SHORT_CHARS
from classifier.examples import Example

MAX_NEIGHBOURS = 3


def joined(examples: Sequence[Example], *, share: float, seed: int) -> tuple[Example, ...]:
    """The examples, and behind them a copy of a random ``share`` of the short posts with one to ``MAX_NEIGHBOURS`` benign posts around it.

    A copy keeps labels and evidence: what is added is benign. Benign posts get copies like violating ones, or length would give the label away.

    :param share: from 0 (nothing is added) to 1.
    """
    posts = [example for example in examples if example.source == "post" and len(example.text) <= SHORT_CHARS]
    benign = [example.text for example in posts if not example.violating]
    if not share or not benign:
        return tuple(examples)
    generator = np.random.default_rng(seed)
    copies = []
    for i in np.sort(generator.permutation(len(posts))[: round(share * len(posts))]).tolist():
        around = [benign[j] for j in generator.integers(len(benign), size=int(generator.integers(1, MAX_NEIGHBOURS + 1))).tolist()]
        place = int(generator.integers(len(around) + 1))
        text = "\n".join([*around[:place], posts[i].text, *around[place:]])
        copies.append(replace(posts[i], id=f"{posts[i].id}#joined", text=text))
    return (*examples, *copies)
