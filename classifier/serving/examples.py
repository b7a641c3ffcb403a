"""Examples for OpenAPI. The answer is the shape with invented numbers; tests hold it against the schema."""

from __future__ import annotations

from typing import Any

TEXTS_REQUESTS: list[dict[str, Any]] = [
    {"text": "长期出U收U,秒结,加V详谈", "source": "bio", "explain": True},
    {"items": [{"id": "a1", "text": "今天吃面"}, {"id": "a2", "text": "长期收U", "source": "bio"}]},
]
ACCOUNT_REQUEST: dict[str, Any] = {
    "account_id": "gh_1",
    "bio": "长期出U收U",
    "posts": [{"id": "p1", "text": "今天吃面", "published_at": "2026-03-01"}],
    "as_of": "2026-03-31",
}
TEXTS_ANSWER: dict[str, Any] = {
    "schema_version": "1",
    "request_id": "0b7f5b9e2f3c4b6f8f0a",
    "recorded": False,
    "decisions": [
        {
            "id": "a2",
            "text_sha256": "7a0f4c1d6e3b58927a0f4c1d6e3b58927a0f4c1d6e3b58927a0f4c1d6e3b5892",
            "source": "bio",
            "categories": [{"category": "trading", "prob": 0.94}],
            "severity": 1,
            "level": "rectify",
            "action": "order_rectification",
            "review": False,
            "certified": True,
            "promise": {"level_id": "rectify", "target_precision": 0.9, "confidence_level": 0.95},
            "probs": {"trading": 0.94, "severity>=1": 0.96},
            "evidence": [],
            "n_windows": 1,
            "model_fingerprint": "0123456789abcdef",
            "policy_fingerprint": "0123456789abcdef",
            "ladder_fingerprint": "0123456789abcdef",
            "error": None,
        }
    ],
}
