"""A decision as the columns of a table: what one filters by, and all of it as JSON."""

from __future__ import annotations

import json
from typing import Any

from classifier.decisions import Decision

COLUMNS = {
    "id": "string",
    "text_sha256": "string",
    "source": "string",
    "severity": "int32",
    "level": "string",
    "action": "string",
    "review": "bool",
    "certified": "bool",
    "decision": "string",
}
"""Names and Arrow types. ``decision`` is the JSON of the whole decision, which ``Decision.from_dict`` reads."""


def columns_of(decision: Decision) -> dict[str, Any]:
    """One row of the table."""
    content = decision.to_dict()
    return {name: content[name] for name in COLUMNS if name != "decision"} | {"decision": json.dumps(content, ensure_ascii=False)}
