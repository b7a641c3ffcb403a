"""A bundle written again with more in it: nothing that decides changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from classifier.bundle import LAYOUT, Bundle, write_bundle

_WRITTEN = frozenset({LAYOUT.policy, LAYOUT.calibration, LAYOUT.thresholds, LAYOUT.settings, LAYOUT.provenance, LAYOUT.card, LAYOUT.accounts})


def copy_bundle(bundle: Bundle, out: Path, *, facts: Mapping[str, Any], files: Mapping[str, Path] | None = None) -> Bundle:
    """Write the bundle to ``out`` (which may be its own folder).

    :param facts: added to the provenance.
    :param files: name inside the bundle to a further file.
    :raises BundleError: when something else stands at ``out``.
    """
    return write_bundle(
        out,
        model_files={name: bundle.folder / name for name in bundle.hashes if name not in _WRITTEN} | dict(files or {}),
        policy=bundle.policy,
        calibration=bundle.calibration,
        category_thresholds=bundle.category_thresholds,
        ladder=bundle.ladder,
        settings=bundle.settings,
        provenance={**bundle.provenance, **facts},
        card=(bundle.folder / LAYOUT.card).read_text(encoding="utf-8"),
        account_ladder=bundle.account_ladder,
    )
