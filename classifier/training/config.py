"""What a training run is made of: one frozen object, checked when it is made, written in full into the bundle."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from classifier.errors import DataError, Problem
from classifier.examples import SOURCE_INPUTS

_KINDS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}
LOSSES = ("bce", "focal", "asymmetric")
"""Losses of one question: cross-entropy, focal (Lin et al. 2017), asymmetric (Ridnik et al. 2021)."""


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of one training run.

    ``base`` is ``builtin``, a folder or a hub name; ``max_tokens`` cuts training texts (inference uses windows of the same size instead);
    ``learning_rate`` is the encoder's and ``head_learning_rate`` that of pooler and classifier; ``warmup_share`` of all steps warm up, then
    the rate falls linearly to 0; a question's positives weigh ``n_negative / n_positive`` in the loss, at most ``max_positive_weight``;
    training stops early after ``patience`` epochs without a better dev average precision; ``seed`` reaches everything random;
    ``attention_dropout`` drops attention weights in training (hidden states always have the base's dropout);
    ``bf16`` computes in bfloat16 and keeps fp32 weights (two to four times as fast; on a processor that has none, all is computed in float32);
    ``augment_share`` of the training texts, violating and benign alike, are also seen once more as rewritten by a random evasion technique
    (substitutes of the ``train`` half, unseen by the attack suite; marks, order and numerals have no substitutes, and are the same in both);
    ``evidence_windows`` trains on the windows of a long text that matter, not on its beginning alone (``training_rows``);
    ``probe_head`` starts pooler and classifier from a whitened linear probe instead of noise (LP-FT, Kumar et al. 2022, arXiv:2202.10054);
    ``batch_size`` counts the texts of one update, whatever the number of processes; each process takes its part of them in ``accumulation_steps``
    passes, which need that much less memory; ``gradient_checkpointing`` computes activations twice instead of keeping them;
    ``out_of_core`` keeps the training rows in a file instead of memory; ``save_steps`` adds a checkpoint every so many updates to that of each
    epoch (0: none).

    Recipes, all off unless set (what each is worth here: ``docs/ablation.md``):
    ``layer_decay`` multiplies the rate from each encoder layer to the one below (1: all layers learn alike);
    ``loss`` is one of ``LOSSES``; ``category_weight`` weighs a category question against a severity question;
    ``ordinal_weight`` weighs the penalty on answers that contradict each other (``losses.contradiction``);
    ``rdrop_weight`` weighs the distance of two passes with different dropout (``losses.disagreement``);
    ``fgm_epsilon`` is the length of an adversarial step as a share of that of the text's word embeddings (``adversary``);
    ``augment_benign_share`` rewrites at least this share of the benign texts, where it is above ``augment_share``;
    ``pair_weight`` weighs the margin between a violating text and its benign twin (``pairs``);
    ``evidence_weight`` weighs a question on each token, whether it belongs to the evidence, asked in training only (``evidence_head``);
    ``smooth_by_readers`` is a file of second readings that softens the targets (``readers``), empty for none;
    ``joined_share`` of the short posts are also seen among benign ones (``joining``);
    ``average_last`` tries the mean of the weights of the last so many epochs, and keeps it where dev likes it better (``averaging``).
    """

    base: str = "builtin"
    max_tokens: int = 192
    overlap_tokens: int = 32
    n_epochs: int = 5
    batch_size: int = 16
    learning_rate: float = 1e-4
    head_learning_rate: float = 5e-4
    weight_decay: float = 0.01
    warmup_share: float = 0.06
    max_positive_weight: float = 3.0
    attention_dropout: float = 0.0
    patience: int = 2
    augment_share: float = 0.0
    evidence_windows: bool = True
    probe_head: bool = True
    layer_decay: float = 1.0
    loss: str = "bce"
    category_weight: float = 1.0
    ordinal_weight: float = 0.0
    rdrop_weight: float = 0.0
    fgm_epsilon: float = 0.0
    augment_benign_share: float = 0.0
    joined_share: float = 0.0
    pair_weight: float = 0.0
    evidence_weight: float = 0.0
    smooth_by_readers: str = ""
    average_last: int = 0
    source_input: str = "token_type"
    bf16: bool = False
    accumulation_steps: int = 1
    gradient_checkpointing: bool = False
    out_of_core: bool = False
    save_steps: int = 0
    seed: int = 13

    def __post_init__(self) -> None:
        for name in ("max_tokens", "n_epochs", "batch_size", "patience", "accumulation_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"Expected `{name}` of at least 1, but got {getattr(self, name)}.")
        for name in ("learning_rate", "head_learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"Expected `{name}` above 0, but got {getattr(self, name)}.")
        for name in ("augment_share", "augment_benign_share", "joined_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"Expected `{name}` from 0 to 1, but got {getattr(self, name)}.")
        if self.out_of_core and self.pair_weight:
            raise ValueError("Expected `pair_weight` of 0 with `out_of_core`: twins may lie far apart in the file, and would not be found.")
        if self.save_steps < 0:
            raise ValueError(f"Expected `save_steps` of at least 0, but got {self.save_steps}.")
        if not 0 <= self.warmup_share < 1:
            raise ValueError(f"Expected `warmup_share` from 0 to below 1, but got {self.warmup_share}.")
        self._check_recipes()

    def _check_recipes(self) -> None:
        for name in ("ordinal_weight", "rdrop_weight", "fgm_epsilon", "pair_weight", "evidence_weight", "average_last"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"Expected `{name}` of at least 0, but got {getattr(self, name)}.")
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f"Expected `layer_decay` above 0 and up to 1, but got {self.layer_decay}.")
        if not self.category_weight > 0:
            raise ValueError(f"Expected `category_weight` above 0, but got {self.category_weight}.")
        for name, known in (("loss", LOSSES), ("source_input", SOURCE_INPUTS)):
            if getattr(self, name) not in known:
                raise ValueError(f"Expected `{name}` to be one of {', '.join(known)}, but got {getattr(self, name)!r}.")

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values."""
        return asdict(self)

    @classmethod
    def from_toml(cls, path: Path, **changes: Any) -> TrainingConfig:
        """Read a TOML file of settings; ``changes`` win over the file.

        :raises DataError: when the file is no TOML, or names a setting that there is not.
        :raises ValueError: when a value is out of range.
        """
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise DataError((Problem(str(path), 0, "file", f"expected a TOML file of training settings, but got: {error}"),)) from error
        return cls.of({**content, **changes}, where=str(path))

    @classmethod
    def of(cls, content: Mapping[str, Any], *, where: str = "settings") -> TrainingConfig:
        """Make a configuration from plain values; unknown names are refused."""
        types = {item.name: item.type for item in fields(cls)}
        problems = [Problem(where, 0, key, f"unknown setting; expected one of {', '.join(types)}") for key in content if key not in types]
        for key, value in content.items():
            wanted = _KINDS[str(types.get(key, "str"))]
            if key in types and (not isinstance(value, wanted) or (isinstance(value, bool) and wanted != (bool,))):
                problems.append(Problem(where, 0, key, f"expected {types[key]}, but got {value!r}"))
        if problems:
            raise DataError(tuple(problems))
        return cls(**content)
