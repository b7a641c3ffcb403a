"""Write the figures of both READMEs from what was measured: the JSON of `classifier evaluate` and the table of `scripts/bench`.

Usage: python scripts/figures.py runs/default/evaluation.json
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MARK = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->)", re.S)

WORDS = {
    "README.md": {
        "head": "Default bundle on the test split ({n} texts, {v} violating; `classifier evaluate`, [full report](docs/evaluation.md)), 95% "
        "cluster-bootstrap intervals, next to jieba TF-IDF with logistic regression trained on the same texts:",
        "columns": ("measure", "default bundle", "TF-IDF baseline"),
        "rows": (
            "macro-F1 over the four categories",
            "F1 of any violation",
            "quadratic kappa of severity",
            "benign texts acted on",
            "texts sent to review",
        ),
        "levels": ("level", "promise", "certified", "precision on the test split"),
        "yes": "yes",
        "no": "no: {n} more labelled texts at this level needed",
        "never": "no: at the present precision no number of labels would do",
        "promise": "precision ≥ {p:.2f}, jointly at 95%",
        "speed": "Speed on two cores (`scripts/bench`, [table](docs/benchmarks/inference.md)):",
    },
    "README.zh-CN.md": {
        "head": "默认模型包在测试集上的结果(共 {n} 条,其中违规 {v} 条;`classifier evaluate`,[完整报告](docs/evaluation.md)),"
        "区间为 95% 聚类自助法区间,并列的是用同样文本训练的 jieba TF-IDF 加逻辑回归:",
        "columns": ("指标", "默认模型包", "TF-IDF 基线"),
        "rows": ("四个类别的宏平均 F1", "是否违规的 F1", "严重程度的二次加权 kappa", "被处置的正常文本", "送人工复核的文本"),
        "levels": ("级别", "承诺", "是否认证", "测试集上的精确率"),
        "yes": "是",
        "no": "否:该级还需 {n} 条标注",
        "never": "否:以目前的精确率,再多标注也不够",
        "promise": "精确率 ≥ {p:.2f},各级共同置信度 95%",
        "speed": "两核速度(`scripts/bench`,[表](docs/benchmarks/inference.md)):",
    },
}


def estimate(value: dict[str, Any]) -> str:
    """An estimate with its interval."""
    return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def headline(result: dict[str, Any]) -> list[str]:
    """The five headline figures of one evaluation."""
    values = (
        result["macro_f1"],
        result["flagged"]["f1"],
        result["even_severity"]["quadratic_kappa"],
        result["acted"]["benign_hit"],
        result["reviewed"],
    )
    return [estimate(value) for value in values]


def block(words: dict[str, Any], report: dict[str, Any], ladder: list[dict[str, Any]], bench: str) -> str:
    """The text between the marks."""
    result = report["evaluation"]
    lines = [words["head"].format(n=result["n"], v=result["n_violating"]), "", "| " + " | ".join(words["columns"]) + " |", "|---|---|---|"]
    # The ladder was certified for the bundle's probs; what it would do with those of the baseline says nothing.
    baseline = [*headline(report["baseline"])[:3], "-", "-"]
    lines += [f"| {' | '.join(row)} |" for row in zip(words["rows"], headline(result), baseline, strict=True)]
    lines += ["", "| " + " | ".join(words["levels"]) + " |", "|---|---|---|---|"]
    for level, found in zip(ladder, result["levels"], strict=True):
        state = words["yes"] if level["certified"] else words["no"].format(n=level["n_more_needed"]) if level["n_more_needed"] else words["never"]
        precision = estimate(found["precision"]) if level["certified"] else "-"
        lines.append(f"| {level['level_id']} | {words['promise'].format(p=level['target_precision'])} | {state} | {precision} |")
    table = bench[bench.index("| measure") :].strip()
    return "\n".join([*lines, "", words["speed"], "", table, ""])


def main() -> None:
    """Rewrite the marked block of both READMEs."""
    report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    ladder = json.loads((ROOT / "models/default/thresholds.json").read_text(encoding="utf-8"))["ladder"]["levels"]
    bench = (ROOT / "docs/benchmarks/inference.md").read_text(encoding="utf-8")
    for name, words in WORDS.items():
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        path.write_text(MARK.sub(lambda found, words=words: found[1] + block(words, report, ladder, bench) + found[2], text), encoding="utf-8")


if __name__ == "__main__":
    main()
