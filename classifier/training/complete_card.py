"""Writing a bundle's card anew, with the figures of an evaluation."""

from __future__ import annotations

import json
from pathlib import Path

from classifier.bundle import LAYOUT, Bundle, load_bundle, write_bundle
from classifier.errors import CalibrationError
from classifier.files import sha256_of
from classifier.training.card import card_text, evaluation_digest


def complete_card(folder: Path, out: Path, *, evaluation_path: Path | None = None) -> Bundle:
    """Write the bundle to ``out`` (it may be ``folder``) with a card made from what it holds and what an evaluation measured.

    The digest of the evaluation is kept in provenance.json, so that the card can be made again.

    :param evaluation_path: JSON of ``classifier evaluate``; None keeps what the bundle knows of an earlier one.
    :raises CalibrationError: when it is no such JSON, or was measured with another model or other thresholds.
    """
    bundle = load_bundle(folder)
    provenance = dict(bundle.provenance)
    if evaluation_path is not None:
        provenance["evaluation"] = _digest_of(evaluation_path, bundle)
    written = {LAYOUT.policy, LAYOUT.calibration, LAYOUT.thresholds, LAYOUT.settings, LAYOUT.provenance, LAYOUT.card, LAYOUT.accounts}
    return write_bundle(
        out,
        model_files={name: bundle.folder / name for name in bundle.hashes if name not in written},
        policy=bundle.policy,
        calibration=bundle.calibration,
        category_thresholds=bundle.category_thresholds,
        ladder=bundle.ladder,
        settings=bundle.settings,
        provenance=provenance,
        card=card_text(bundle.policy, bundle.settings, bundle.ladder, provenance, account_ladder=bundle.account_ladder),
        account_ladder=bundle.account_ladder,
    )


def _digest_of(path: Path, bundle: Bundle) -> dict[str, object]:
    try:
        digest = evaluation_digest(json.loads(path.read_text(encoding="utf-8")), file_name=path.name, sha256=sha256_of(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CalibrationError(f"{path}: expected the JSON of `classifier evaluate`, but got: {error!r}; run it with --json.") from error
    for name, expected in (("model", bundle.model_fingerprint), ("thresholds", bundle.ladder.fingerprint)):
        if digest[name] != expected:
            raise CalibrationError(
                f"{path}: expected figures of this bundle ({name} {expected}), but got those of {digest[name]}; evaluate this bundle."
            )
    return digest
