"""JSON on the wire and in records."""

from __future__ import annotations

import json
from typing import Any


def json_bytes(content: Any) -> bytes:
    r"""Compact JSON in UTF-8; a content with half a surrogate pair, which UTF-8 cannot hold, is escaped to ASCII.

    >>> json_bytes({"text": "币"}).decode(), json_bytes("\ud800")
    ('{"text":"币"}', b'"\\ud800"')
    """
    try:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(content, separators=(",", ":")).encode("ascii")
