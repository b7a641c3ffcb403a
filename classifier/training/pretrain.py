"""More masked-language training of a base on texts without labels, before it is tuned (Gururangan et al. 2020, arXiv:2004.10964).

The head that guesses the masked tokens shares the word embeddings (Devlin et al. 2018) and is thrown away at the end: what comes out is a
plain base folder that ``TrainingConfig.base`` takes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
import torch
from transformers import (
    AutoTokenizer,
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint

from classifier.encoder.base import resolve_base
from classifier.errors import DataError, EncoderError, Problem
from classifier.text import normalise
from classifier.training.bfloat16 import use_bf16

MASKED_SHARE = 0.15
SAVES = 10
"""Checkpoints in a whole run; a killed one loses at most a tenth."""


@dataclass(frozen=True)
class PretrainedBase:
    """The folder of a base, and the mean loss of its last logged steps in nats a masked token (nan for a run too short to log)."""

    folder: Path
    n_texts: int
    n_steps: int
    last_loss: float


def pretrain_base(
    paths: Sequence[Path],
    out: Path,
    *,
    run_dir: Path,
    base: str = "builtin",
    n_epochs: int = 1,
    batch_size: int = 32,
    max_tokens: int = 96,
    learning_rate: float = 1e-4,
    bf16: bool = False,
    seed: int = 13,
    resume: bool = False,
) -> PretrainedBase:
    """Train a base to guess masked tokens of texts, and write it as a folder.

    :param paths: JSONL files whose lines have a ``text``; labels, where there are any, are not looked at.
    :param run_dir: checkpoints go here.
    :param resume: go on from the last checkpoint in ``run_dir``; without one, start anew.
    :raises DataError: when a line has no text, or there is none at all.
    :raises EncoderError: when the base cannot be had, is no BERT or has no mask token.
    """
    set_seed(seed)
    tokenizer, model = _load(base)
    texts = read_texts(paths)
    encoded = tokenizer([normalise(text).text for text in texts], truncation=True, max_length=max_tokens)
    n_steps = n_epochs * -(-len(texts) // batch_size)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(run_dir / "checkpoints"),
            num_train_epochs=n_epochs,
            per_device_train_batch_size=batch_size,
            learning_rate=learning_rate,
            warmup_steps=round(0.06 * n_steps),
            save_steps=max(1, n_steps // SAVES),
            save_total_limit=2,
            logging_steps=max(1, n_steps // SAVES),
            bf16=use_bf16(bf16),
            use_cpu=not torch.accelerator.is_available(),
            report_to=[],
            disable_tqdm=True,
            seed=seed,
            data_seed=seed,
        ),
        train_dataset=datasets.Dataset.from_dict({"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}),
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASKED_SHARE),
    )
    checkpoints = run_dir / "checkpoints"
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(checkpoints)) if resume and checkpoints.is_dir() else None)
    model.bert.save_pretrained(out)
    tokenizer.save_pretrained(out)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return PretrainedBase(out, len(texts), trainer.state.global_step, float(losses[-1]) if losses else float("nan"))


def read_texts(paths: Sequence[Path]) -> tuple[str, ...]:
    """Texts of JSONL files, each once, in an order that does not depend on the files' own.

    :raises DataError: with every line that has no text, or when there is none at all.
    """
    problems, texts = [], set()
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            text = _text_of(line)
            if text is None:
                problems.append(Problem(str(path), number, "text", f'expected a line such as {{"text": "..."}}, but got: {line[:80]}'))
            else:
                texts.add(text)
    if not texts and not problems:
        problems.append(Problem(", ".join(map(str, paths)), 0, "text", "expected at least one text, but there is none"))
    if problems:
        raise DataError(tuple(problems))
    return tuple(sorted(texts, key=lambda text: hashlib.sha256(text.encode("utf-8")).digest()))


def _text_of(line: str) -> str | None:
    try:
        text = json.loads(line)["text"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return None
    return text if isinstance(text, str) and text.strip() else None


def _load(base: str) -> tuple[PreTrainedTokenizerBase, BertForMaskedLM]:
    name = resolve_base(base)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = BertForMaskedLM.from_pretrained(name, attn_implementation="eager", tie_word_embeddings=True)
    except (OSError, ValueError) as error:
        raise EncoderError(f"{base}: expected a BERT base (`builtin`, a folder or a hub name) that loads, but got: {error}") from error
    if model.config.model_type != "bert" or tokenizer.mask_token is None:
        raise EncoderError(f"{base}: expected a BERT whose tokenizer has a mask token, but got {model.config.model_type}, {tokenizer.mask_token}.")
    return tokenizer, model
