"""The bundle: one folder that holds all that a decision needs. Plain files, no pickle, every one hashed; loading verifies or refuses."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from classifier.decisions import Calibration, CategoryThresholds, Ladder
from classifier.decisions.monitor import Void
from classifier.errors import BundleError, CalibrationError, PolicyError
from classifier.examples import SOURCE_INPUTS
from classifier.files import sha256_of
from classifier.policy import Policy

FORMAT_VERSION = 1
PRECISIONS = ("fp32", "int8", "int8-weights", "fp16-weights")
"""Of an encoder: all in fp32; products of int8 numbers; weights kept as int8 or fp16, and computed with in fp32."""


@dataclass(frozen=True)
class Layout:
    """Names of the files of a bundle. ``required`` must be there; model files may be one or both of the two.

    ``accounts`` is there when levels of whole accounts were certified, ``cascade`` when there is a first stage. ``void`` is not part of the
    bundle: put beside it, it says that the promises no longer hold.
    """

    manifest: str = "manifest.json"
    policy: str = "policy.json"
    calibration: str = "calibration.json"
    thresholds: str = "thresholds.json"
    settings: str = "settings.json"
    provenance: str = "provenance.json"
    card: str = "README.md"
    tokenizer: str = "tokenizer.json"
    onnx: str = "model.onnx"
    weights: str = "model.safetensors"
    accounts: str = "accounts.json"
    cascade: str = "cascade.npz"
    void: str = "void.json"

    @property
    def required(self) -> tuple[str, ...]:
        """Files that every bundle has."""
        return (self.policy, self.calibration, self.thresholds, self.settings, self.provenance, self.card, self.tokenizer, self.onnx)


LAYOUT = Layout()


@dataclass(frozen=True)
class EncoderSettings:
    """How a text reaches the encoder.

    ``max_tokens`` and ``overlap_tokens`` count tokens of a window, special ones included; ``precision`` is one of ``PRECISIONS``;
    ``source_input`` says how the encoder learns the source: one of ``SOURCE_INPUTS``.
    """

    max_tokens: int = 256
    overlap_tokens: int = 32
    precision: str = "fp32"
    source_input: str = "token_type"
    base: str = "builtin"

    def __post_init__(self) -> None:
        # Special tokens of a window, and the two of the source's name.
        fixed = 5 if self.source_input == "text_pair" else 2
        if not 8 <= self.max_tokens or not 0 <= self.overlap_tokens < self.max_tokens - fixed:
            raise ValueError(
                f"Expected max_tokens >= 8 and overlap_tokens below max_tokens - {fixed}, got {self.max_tokens} and {self.overlap_tokens}."
            )
        if self.source_input not in SOURCE_INPUTS or self.precision not in PRECISIONS:
            raise ValueError(f"Expected a known source_input and precision, but got {self.source_input!r} and {self.precision!r}.")


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. ``folder`` holds tokenizer and model; all else is read. With a ``void`` nothing it decides is certified."""

    folder: Path
    policy: Policy
    calibration: Calibration
    category_thresholds: CategoryThresholds
    ladder: Ladder
    settings: EncoderSettings
    provenance: Mapping[str, Any]
    hashes: Mapping[str, str] = field(repr=False)
    void: Void | None = None
    account_ladder: Ladder | None = None

    @property
    def encoder_fingerprint(self) -> str:
        """First 16 hex digits of a SHA-256 over model, tokenizer and settings: what the logits depend on."""
        return self._fingerprint(LAYOUT.onnx, LAYOUT.tokenizer, LAYOUT.settings)

    @property
    def model_fingerprint(self) -> str:
        """First 16 hex digits of a SHA-256 over model, tokenizer, settings and calibration: what the probs depend on."""
        return self._fingerprint(LAYOUT.onnx, LAYOUT.tokenizer, LAYOUT.settings, LAYOUT.calibration)

    def _fingerprint(self, *names: str) -> str:
        return hashlib.sha256("".join(self.hashes[name] for name in names).encode("ascii")).hexdigest()[:16]


def write_bundle(
    folder: Path,
    *,
    model_files: Mapping[str, Path],
    policy: Policy,
    calibration: Calibration,
    category_thresholds: CategoryThresholds,
    ladder: Ladder,
    settings: EncoderSettings,
    provenance: Mapping[str, Any],
    card: str,
    account_ladder: Ladder | None = None,
) -> Bundle:
    """Write a bundle, whole or not at all, and load it back.

    :param model_files: name inside the bundle to the file that is copied there; tokenizer and ONNX model at least.
    :raises BundleError: when ``folder`` exists and is no bundle, or a required file is not given.
    """
    if folder.exists() and not (folder / LAYOUT.manifest).is_file():
        raise BundleError(f"{folder}: expected a free name or an older bundle, but something else stands there; choose another --out.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    contents: dict[str, Any] = {
        LAYOUT.policy: json.loads(policy.to_json()),
        LAYOUT.calibration: calibration.to_dict(),
        LAYOUT.thresholds: {"ladder": ladder.to_dict(), "categories": category_thresholds.to_dict()},
        LAYOUT.settings: asdict(settings),
        LAYOUT.provenance: dict(provenance),
    }
    if account_ladder is not None:
        contents[LAYOUT.accounts] = account_ladder.to_dict()
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as name:
        temporary = Path(name) / "bundle"
        temporary.mkdir()
        for file_name, path in model_files.items():
            shutil.copyfile(path, temporary / file_name)
        for file_name, content in contents.items():
            (temporary / file_name).write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        (temporary / LAYOUT.card).write_text(card, encoding="utf-8")
        _write_manifest(temporary)
        made = load_bundle(temporary)
        void = _void(folder)
        if void is not None and void.model_fingerprint == made.model_fingerprint:
            # Only another calibration lifts it; new thresholds or figures on the same one do not.
            shutil.copyfile(folder / LAYOUT.void, temporary / LAYOUT.void)
        if folder.exists():
            folder.replace(Path(name) / "old")
        temporary.replace(folder)
    return load_bundle(folder)


def _write_manifest(folder: Path) -> None:
    files = {path.name: {"sha256": sha256_of(path), "n_bytes": path.stat().st_size} for path in sorted(folder.iterdir())}
    content = {"format": "tiaowen-bundle", "format_version": FORMAT_VERSION, "files": files}
    (folder / LAYOUT.manifest).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def load_bundle(folder: str | Path) -> Bundle:
    """Verify and read a bundle.

    :raises BundleError: when a file is missing, altered or unreadable, or the format is another.
    """
    folder = Path(folder)
    hashes = _verified_hashes(folder)
    try:
        policy = Policy.from_json((folder / LAYOUT.policy).read_text(encoding="utf-8"), where=str(folder / LAYOUT.policy))
        thresholds = _json(folder / LAYOUT.thresholds)
        bundle = Bundle(
            folder=folder,
            policy=policy,
            calibration=Calibration.from_dict(_json(folder / LAYOUT.calibration)),
            category_thresholds=CategoryThresholds.from_dict(thresholds["categories"]),
            ladder=Ladder.from_dict(thresholds["ladder"]),
            settings=EncoderSettings(**_json(folder / LAYOUT.settings)),
            provenance=_json(folder / LAYOUT.provenance),
            hashes=hashes,
            void=_void(folder),
            account_ladder=Ladder.from_dict(_json(folder / LAYOUT.accounts)) if LAYOUT.accounts in hashes else None,
        )
    except (PolicyError, CalibrationError, KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{folder}: expected the content of a bundle, but got: {error}; make it again.") from error
    made_for = {bundle.calibration.policy_fingerprint, bundle.ladder.policy_fingerprint, bundle.category_thresholds.policy_fingerprint}
    if bundle.account_ladder is not None:
        made_for.add(bundle.account_ladder.policy_fingerprint)
    if made_for != {policy.fingerprint}:
        raise BundleError(f"{folder}: expected calibration and thresholds made for policy {policy.fingerprint}, but got {sorted(made_for)}.")
    if bundle.void is not None and bundle.void.model_fingerprint != bundle.model_fingerprint:
        raise BundleError(
            f"{folder / LAYOUT.void}: expected one for model {bundle.model_fingerprint}, but got one for {bundle.void.model_fingerprint}; "
            "take it away, and monitor this model."
        )
    return bundle


def _void(folder: Path) -> Void | None:
    path = folder / LAYOUT.void
    return Void.from_dict(_json(path)) if path.exists() else None


def _verified_hashes(folder: Path) -> dict[str, str]:
    manifest_path = folder / LAYOUT.manifest
    if not manifest_path.is_file():
        raise BundleError(f"{folder}: expected a bundle with a {LAYOUT.manifest}, but there is none; name the folder that training wrote.")
    manifest = _json(manifest_path)
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if version != FORMAT_VERSION:
        raise BundleError(f"{manifest_path}: expected format version {FORMAT_VERSION}, but got {version!r}; use the matching release.")
    listed: dict[str, Any] = manifest.get("files", {})
    missing = sorted(set(LAYOUT.required) - set(listed))
    if missing:
        raise BundleError(f"{manifest_path}: expected an entry for {missing[0]}, but there is none; copy the bundle again.")
    hashes: dict[str, str] = {}
    for name, entry in listed.items():
        if Path(name).name != name:
            raise BundleError(f"{manifest_path}: expected plain file names, but got {name!r}; this is not a bundle of ours.")
        path = folder / name
        if not path.is_file():
            raise BundleError(f"{path}: expected this file, but it is missing; copy the bundle again.")
        hashes[name] = sha256_of(path)
        if hashes[name] != entry.get("sha256"):
            raise BundleError(f"{path}: expected SHA-256 {entry.get('sha256')}, but got {hashes[name]}; the file is altered: copy the bundle again.")
    return hashes


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: expected JSON, but got: {error}; copy the bundle again.") from error
