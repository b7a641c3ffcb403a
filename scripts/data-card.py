"""Write the counts and the agreement of the corpus into data/README.md, from the files themselves.

Usage: python scripts/data-card.py
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

from classifier.data import SPLITS, agreement, read_readings
from classifier.examples import Example
from classifier.policy import Policy
from classifier.records import read_examples

DATA = Path(__file__).parents[1] / "data"
HARD = ("news", "warning", "legal", "education", "victim", "museum", "game", "lookalike", "finance_licensed", "tech", "satire")
N_LONG = 500


def counts(examples: dict[str, tuple[Example, ...]], policy: Policy) -> str:
    """Tables of what is in the corpus, whole and by split."""
    every = [example for name in SPLITS for example in examples[name]]
    lines = ["| split | texts | violating | bios | by severity 1 / 2 / 3 |", "|---|---|---|---|---|"]
    for name, part in [*examples.items(), ("all", every)]:
        severities = Counter(example.severity for example in part)
        shown = " / ".join(f"{severities[s]:,}" for s in range(1, policy.max_severity + 1))
        n_violating, n_bios = sum(e.violating for e in part), sum(e.source == "bio" for e in part)
        lines.append(f"| {name} | {len(part):,} | {n_violating:,} | {n_bios:,} | {shown} |")
    first = Counter(e.categories[0] for e in every if e.violating)
    tags = Counter(tag for e in every for tag in set(e.tags))
    groups: dict[str, set[bool]] = {}
    for e in every:
        if e.group:
            groups.setdefault(e.group, set()).add(e.violating)
    rows = {
        **{f"violating, first category `{name}`": first[name] for name in policy.category_ids},
        "violating in two or more categories": sum(len(e.categories) > 1 for e in every),
        "benign": sum(not e.violating for e in every),
        "benign with a hard tag (" + ", ".join(HARD) + ")": sum(not e.violating and bool(set(e.tags) & set(HARD)) for e in every),
        "benign, breaking another rule (`other_violation`)": sum(not e.violating and "other_violation" in e.tags for e in every),
        "benign, everyday life and commerce (`life`)": sum(not e.violating and "life" in e.tags for e in every),
        f"posts of more than {N_LONG} characters": sum(e.source == "post" and len(e.text) > N_LONG for e in every),
        **{f"tag `{name}`": tags[name] for name in ("evasive", "disguised", "indirect", "traditional", "english")},
        "groups with a violating and a benign text": sum(len(kinds) == 2 for kinds in groups.values()),
        "accounts": len({e.account_id for e in every if e.account_id}),
    }
    lines += ["", "| what | number |", "|---|---|", *(f"| {name} | {value:,} |" for name, value in rows.items())]
    return "\n".join(lines)


def readers(policy: Policy) -> str:
    """The agreement of the two readings as a list."""
    result = agreement(read_readings(DATA / "second_reading.jsonl", policy), policy, seed=0)
    return "\n".join(f"- {line}" for line in result.words.splitlines())


def main() -> None:
    """Rewrite both blocks of the card."""
    policy = Policy.load()
    examples = {name: read_examples([DATA / f"{name}.jsonl"], policy) for name in SPLITS}
    path = DATA / "README.md"
    text = path.read_text(encoding="utf-8")
    for name, content in (("counts", counts(examples, policy)), ("agreement", readers(policy))):
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
        text, n = mark.subn(lambda found, content=content: f"{found[1]}{content}\n{found[2]}", text)
        if n != 1:
            raise SystemExit(f"{path}: expected one block {name!r}, but got {n}.")
    path.write_text(text, encoding="utf-8")
    print(json.dumps({name: len(part) for name, part in examples.items()}))


if __name__ == "__main__":
    main()
