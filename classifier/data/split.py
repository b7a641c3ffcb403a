"""Splits labelled examples so that nothing that belongs together is on both sides: no group, no account, no cluster of near duplicates."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.data.components import Ids, components, first_seen
from classifier.data.leaks import leak_report
from classifier.data.plan import SplitPlan, make_plan, stratum
from classifier.data.similar import similar_texts
from classifier.data.sizes import LATE_SPLITS, SPLITS, SplitSizes
from classifier.errors import DataError, Problem
from classifier.examples import Example
from classifier.files import sha256_of, write_text_atomic
from classifier.policy import Policy
from classifier.records import read_examples, write_examples

FORMAT_VERSION = 1
_N_PASSES = 3
Counts = npt.NDArray[np.float64]


def split_examples(
    examples: Sequence[Example], policy: Policy, *, sizes: SplitSizes | None = None, seed: int, by_time: bool = False
) -> SplitPlan:
    """Split by connected components over groups, accounts and near-duplicate clusters, as alike as they allow.

    Each component, the largest first, goes to the split that lacks its strata (first category or benign, severity, source) most, in the
    manner of iterative stratification (Sechidis et al. 2011).

    :param seed: decides between components that are alike.
    :param by_time: give the components with the latest texts to calibration and test; a component is as late as its latest text.
    :raises ValueError: when two examples have one id.
    :raises DataError: when the sizes do not add up, a minimum cannot be reached, or a component has no time where the split is by time.
    """
    if len({example.id for example in examples}) < len(examples):
        raise ValueError("Expected every example to have an id of its own, but some share one; `read_examples` tells which.")
    sizes = sizes or SplitSizes()
    wanted = sizes.wanted(len(examples))
    component = clusters_of(examples)
    counts = _strata_counts(examples, component)
    n_texts = counts.sum(axis=1).astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.argsort(-n_texts[order], kind="stable")]
    split = np.zeros(len(counts), dtype=np.int64)
    for chosen, names in _rounds(examples, component, order, n_texts, wanted, by_time):
        places = _assign(counts[chosen], np.array([wanted[name] for name in names], dtype=np.float64))
        _top_up(places, n_texts[chosen], [wanted[name] for name in names], [sizes.minimums.get(name, 0) for name in names])
        split[chosen] = np.array([SPLITS.index(name) for name in names])[places]
    split_of = {example.id: SPLITS[split[number]] for example, number in zip(examples, component, strict=True)}
    plan = make_plan(examples, policy, split_of, component, wanted, seed, by_time)
    _check_minimums(plan, sizes)
    return plan


def clusters_of(examples: Sequence[Example]) -> Ids:
    """Number what must stay together, *Shape:* (n_texts,)."""
    cluster = similar_texts([example.text for example in examples]).cluster
    first: dict[tuple[str, object], int] = {}
    edges = []
    for i, example in enumerate(examples):
        keys = (("group", example.group), ("account", example.account_id), ("cluster", int(cluster[i])))
        edges += [(first.setdefault(key, i), i) for key in keys if key[1] is not None]
    return components(len(examples), edges)


def _strata_counts(examples: Sequence[Example], component: Ids) -> Counts:
    """How many texts of each stratum every component has, *Shape:* (n_components, n_strata)."""
    strata = first_seen([stratum(example) for example in examples])
    counts = np.zeros((int(component.max(initial=-1)) + 1, int(strata.max(initial=-1)) + 1))
    np.add.at(counts, (component, strata), 1)
    return counts


def _rounds(
    examples: Sequence[Example], component: Ids, order: Ids, n_texts: Ids, wanted: Mapping[str, int], by_time: bool
) -> list[tuple[Ids, tuple[str, ...]]]:
    """Which components are shared out among which splits: all among all, or by time the early and the late ones apart."""
    if not by_time:
        return [(order, SPLITS)]
    times = _times(examples, component, len(n_texts))
    latest_first = np.argsort([-time for time in times], kind="stable")
    n_late = sum(wanted[name] for name in LATE_SPLITS)
    taken_before = np.cumsum(n_texts[latest_first]) - n_texts[latest_first]
    late = set(latest_first[taken_before < n_late].tolist())
    is_late = np.array([int(number) in late for number in order], dtype=bool)
    early_splits = tuple(name for name in SPLITS if name not in LATE_SPLITS)
    return [(order[~is_late], early_splits), (order[is_late], LATE_SPLITS)]


def _times(examples: Sequence[Example], component: Ids, n_components: int) -> list[float]:
    """The latest time of every component, in seconds; a time without a zone counts as UTC."""
    times = [float("-inf")] * n_components
    for number, example in zip(component, examples, strict=True):
        if example.published_at is not None:
            time = datetime.datetime.fromisoformat(example.published_at)
            time = time if time.tzinfo else time.replace(tzinfo=datetime.UTC)
            times[number] = max(times[number], time.timestamp())
    undated = [example.id for number, example in zip(component, examples, strict=True) if times[number] == float("-inf")]
    if undated:
        got = f"{len(undated):,} of {len(examples):,} texts have none, such as {undated[0]!r}"
        raise DataError((Problem("split", 0, "published_at", f"expected a time in every component to split by time, but {got}"),))
    return times


def _assign(counts: Counts, wanted: Counts) -> Ids:
    """Give each component in turn to the split where it mends most, then take each up again and see whether another has become better.

    The lack of a split is the sum over strata of (count - target)^2 / target, plus the same for its size, weighted as much as all strata,
    so that rare strata do not all go to the largest split.

    :param counts: texts of each stratum, *Shape:* (n_components, n_strata).
    :param wanted: texts wanted in each split, *Shape:* (n_splits,).
    :return: the place of each component's split in ``wanted``, *Shape:* (n_components,).
    """
    counts = np.column_stack([counts, counts.sum(axis=1)])
    shares = wanted / max(wanted.sum(), 1)
    targets = np.maximum(shares[:, None] * counts.sum(axis=0), 1e-9)
    weights = np.r_[np.ones(counts.shape[1] - 1), counts.shape[1] - 1] / targets
    filled = np.zeros_like(targets)
    chosen = np.full(len(counts), -1, dtype=np.int64)
    for _ in range(_N_PASSES):
        for i, count in enumerate(counts):
            if chosen[i] >= 0:
                filled[chosen[i]] -= count
            chosen[i] = np.argmin((weights * count * (2 * (filled - targets) + count)).sum(axis=1))
            filled[chosen[i]] += count
    return chosen


def _top_up(places: Ids, n_texts: Ids, wanted: Sequence[int], minimums: Sequence[int]) -> None:
    """Move components, in place, into splits below their minimum, as long as another split can spare one.

    A split spares what it has above its minimum and above half of what was wanted of it: a demand on one is not met by emptying another.

    :param places: the split of every component, *Shape:* (n_components,).
    :param n_texts: its number of texts, *Shape:* (n_components,).
    """
    got = np.bincount(places, weights=n_texts, minlength=len(minimums)).astype(np.int64)
    keeps = np.maximum(minimums, np.array(wanted) // 2)
    for short, minimum in enumerate(minimums):
        while got[short] < minimum:
            movable = np.flatnonzero((places != short) & (n_texts <= (got - keeps)[places]))
            if not len(movable):
                break
            # The component that fills the gap best; of equal ones the one whose split can spare most.
            gap, spare = np.abs(n_texts[movable] - (minimum - got[short])), (got - keeps)[places[movable]]
            best = movable[np.lexsort((-spare, gap))[0]]
            got[places[best]] -= n_texts[best]
            got[short] += n_texts[best]
            places[best] = short


def _check_minimums(plan: SplitPlan, sizes: SplitSizes) -> None:
    n_texts = {part.name: part.n_texts for part in plan.parts}
    problems = [
        Problem(
            "split",
            0,
            name,
            f"expected at least {minimum:,} texts, but got {n_texts[name]:,}: {len(plan.largest_component):,} of {len(plan.split_of):,} texts hang "
            f"together in one component (with {plan.largest_component[0]!r}) that cannot be divided, and there are {plan.n_components:,} components; "
            "ask for a larger share, or loosen groups and accounts",
        )
        for name, minimum in sizes.minimums.items()
        if n_texts[name] < minimum
    ]
    if problems:
        raise DataError(tuple(problems))


def split_files(
    paths: Iterable[str | Path], policy: Policy, out: Path, *, sizes: SplitSizes | None = None, seed: int, by_time: bool = False
) -> SplitPlan:
    """Read labelled files, split them, and write ``<split>.jsonl`` and ``split.json`` (what was done, and the SHA-256 of each file).

    :raises DataError: with every problem of the files, or when they cannot be split as demanded.
    """
    files = [Path(path) for path in paths]
    examples = read_examples(files, policy, max_problems=sys.maxsize)
    plan = split_examples(examples, policy, sizes=sizes, seed=seed, by_time=by_time)
    for name in SPLITS:
        write_examples(out / f"{name}.jsonl", [example for example in examples if plan.split_of[example.id] == name])
    content = {
        "format_version": FORMAT_VERSION,
        "words": plan.words,
        "policy": {"id": policy.id, "version": policy.version, "fingerprint": policy.fingerprint},
        "seed": seed,
        "by_time": by_time,
        "n_components": plan.n_components,
        "largest_component": len(plan.largest_component),
        "n_leaks": leak_report(examples, plan.split_of).n_leaks,
        "splits": [asdict(part) for part in plan.parts],
        "read": [{"name": path.name, "sha256": sha256_of(path)} for path in files],
        "written": [{"name": f"{name}.jsonl", "sha256": sha256_of(out / f"{name}.jsonl")} for name in SPLITS],
    }
    write_text_atomic(out / "split.json", json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    return plan
