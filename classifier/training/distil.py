"""A smaller student from a trained model: some of its layers, taught to answer as it does (Hinton et al. 2015, arXiv:1503.02531).

The student starts as the teacher with evenly spaced layers left out (Sanh et al. 2019, arXiv:1910.01108) and learns from the teacher's probs on
labelled texts, their rewritten copies and texts without labels, and from the labels where there are any. The teacher answers once; its answers
are kept in a file beside the student.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import datasets
import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, mse_loss
from transformers import BertForSequenceClassification, EvalPrediction, PreTrainedTokenizerBase, set_seed

from classifier.errors import EncoderError
from classifier.examples import Example
from classifier.files import atomic_path, sha256_of
from classifier.policy import Policy
from classifier.records import read_examples
from classifier.training.augment import augmented
from classifier.training.bfloat16 import computing, use_bf16
from classifier.training.config import TrainingConfig
from classifier.training.encoding import Collator, training_rows
from classifier.training.optimizer import make_optimizer
from classifier.training.order import length_order
from classifier.training.rows import column, fingerprint_of
from classifier.training.train import dev_metrics, load_base
from classifier.training.unlabelled import read_unlabelled

ANSWERS = "teacher.npz"
"""The teacher's answers, in the student's folder."""
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DistilConfig:
    """Settings of one distillation.

    ``temperature`` divides the logits of both before they are compared; ``hard_share`` of the loss is that of the labels, on texts that have any;
    ``hidden_weight`` weighs the squared distance of the last hidden states of [CLS] (0: not compared); ``augment_share`` of the labelled texts are
    seen once more, rewritten; ``max_steps`` ends the run early (0: never); ``seed`` reaches everything random.
    """

    n_layers: int = 6
    n_epochs: int = 4
    batch_size: int = 16
    learning_rate: float = 1e-4
    head_learning_rate: float = 2e-4
    warmup_share: float = 0.06
    temperature: float = 2.0
    hard_share: float = 0.2
    hidden_weight: float = 0.0
    augment_share: float = 0.5
    max_tokens: int = 192
    overlap_tokens: int = 32
    source_input: str = "token_type"
    bf16: bool = True
    max_steps: int = 0
    seed: int = 13

    def __post_init__(self) -> None:
        for name in ("n_layers", "n_epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"Expected `{name}` of at least 1, but got {getattr(self, name)}.")
        if not self.temperature > 0 or not 0 <= self.hard_share <= 1 or not self.hidden_weight >= 0:
            raise ValueError(
                "Expected a `temperature` above 0, a `hard_share` from 0 to 1 and a `hidden_weight` of at least 0, but got "
                f"{self.temperature}, {self.hard_share} and {self.hidden_weight}."
            )


@dataclass(frozen=True)
class Student:
    """Where a student was left (a plain Hugging Face folder), which layers of the teacher it has, and the best dev average precision.

    ``losses`` are means over a twentieth of the run each.
    """

    folder: Path
    layers: tuple[int, ...]
    dev_average_precision: float
    n_rows: int
    n_steps: int
    losses: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Answers:
    """What the teacher says: ``logits`` *Shape:* (n_rows, n_questions), and the last hidden state of [CLS], *Shape:* (n_rows, width)."""

    logits: Floats
    hidden: Floats


def layers_kept(n_teacher: int, n_student: int) -> tuple[int, ...]:
    """Evenly spaced layers, counted from 0, the last one among them.

    >>> layers_kept(12, 6), layers_kept(12, 4), layers_kept(5, 2)
    ((1, 3, 5, 7, 9, 11), (2, 5, 8, 11), (2, 4))
    """
    if not 1 <= n_student <= n_teacher:
        raise ValueError(f"Expected from 1 to {n_teacher} layers, as many as the teacher has, but got {n_student}.")
    return tuple(-(-(place + 1) * n_teacher // n_student) - 1 for place in range(n_student))


def student_of(teacher: BertForSequenceClassification, layers: Sequence[int]) -> BertForSequenceClassification:
    """A copy of the teacher with some of its layers; embeddings, pooler and head are all kept."""
    student = copy.deepcopy(teacher)
    student.bert.encoder.layer = torch.nn.ModuleList([student.bert.encoder.layer[i] for i in layers])
    student.config.num_hidden_layers = len(layers)
    return student


def answers_apart(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """Kullback-Leibler distance of the student's yes/no answers from the teacher's, both at a temperature; mean over texts and questions.

    ``T^2 (p log(p / q) + (1 - p) log((1 - p) / (1 - q)))``: the square keeps gradients as large at any temperature (Hinton et al. 2015).

    :param student: logits, *Shape:* (n_texts, n_questions); ``teacher`` likewise.
    :return: nats, 0 or more, *Shape:* ().

    A teacher at 1/2, a student at 3/4: ``log(2/3) / 2 + log(2) / 2 = 0.1438``.

    >>> round(answers_apart(torch.log(torch.tensor([[3.0]])), torch.zeros(1, 1), 1.0).item(), 4)
    0.1438
    """
    ours, theirs = student / temperature, teacher / temperature
    p = torch.sigmoid(theirs)
    distance = p * (logsigmoid(theirs) - logsigmoid(ours)) + (1 - p) * (logsigmoid(-theirs) - logsigmoid(-ours))
    return temperature**2 * distance.mean()


def distil_loss(logits: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor, labelled: torch.Tensor, config: DistilConfig) -> torch.Tensor:
    """The teacher's answers, and a share of the labels where there are any.

    :param logits: *Shape:* (n_texts, n_questions); ``teacher`` and ``labels`` likewise.
    :param labelled: bool, *Shape:* (n_texts,).
    :return: *Shape:* ().
    """
    soft = answers_apart(logits, teacher, config.temperature)
    if not config.hard_share or not labelled.any():
        return soft
    hard = binary_cross_entropy_with_logits(logits[labelled], labels[labelled])
    # Weighed by how many texts have labels, so that a batch of few does not shout.
    share = config.hard_share * labelled.float().mean()
    return (1 - share) * soft + share * hard


def distil(
    teacher_folder: Path,
    train: Sequence[Example],
    dev: Sequence[Example],
    unlabelled: Sequence[Example],
    policy: Policy,
    config: DistilConfig,
    out: Path,
) -> Student:
    """Teach a student and write the epoch that is best on dev to ``out``, a folder like the teacher's.

    :param unlabelled: texts whose labels are not looked at.
    :raises EncoderError: when the teacher cannot be had, or has not one logit for each question.
    """
    set_seed(config.seed)
    tokenizer, teacher = load_base(str(teacher_folder), policy)
    layers = layers_kept(teacher.config.num_hidden_layers, config.n_layers)
    rows, labelled = student_rows(train, unlabelled, policy, tokenizer, config)
    collate = Collator(tokenizer)
    answers = kept_answers(teacher, teacher_folder, rows, collate, config, out / ANSWERS)
    dev_rows = training_rows(dev, policy, tokenizer, max_tokens=config.max_tokens, source_input=config.source_input)
    lesson = _Lesson(student_of(teacher, layers), rows, labelled, answers, collate, config)
    best, losses = -1.0, list[float]()
    for epoch in range(config.n_epochs):
        losses += lesson.epoch(epoch)
        found = answers_of(lesson.student, dev_rows, collate, config).logits
        precision = dev_metrics(EvalPrediction(predictions=found, label_ids=column(dev_rows, "labels")))["average_precision"]
        if precision > best:
            best = precision
            lesson.student.save_pretrained(str(out))
            tokenizer.save_pretrained(str(out))
        if lesson.finished:
            break
    return Student(out, layers, best, len(rows), len(losses), tuple(means(losses, 20)))


def distil_files(
    teacher_folder: Path, train: Path, dev: Path, unlabelled: Sequence[Path], policy_name: str, config: DistilConfig, out: Path
) -> Student:
    """``distil`` on files.

    :param unlabelled: files whose records have a ``text`` and maybe a ``source``.
    :raises DataError: when a file breaks the record.
    :raises EncoderError: when the teacher cannot be had.
    """
    policy = Policy.load(policy_name)
    texts = (read_examples([train], policy), read_examples([dev], policy), read_unlabelled(unlabelled))
    return distil(teacher_folder, *texts, policy, config, out)


def student_rows(
    train: Sequence[Example], unlabelled: Sequence[Example], policy: Policy, tokenizer: PreTrainedTokenizerBase, config: DistilConfig
) -> tuple[datasets.Dataset, npt.NDArray[np.bool_]]:
    """Rows of labelled texts, their rewritten copies and texts without labels, and which of the rows have labels, *Shape:* (n_rows,)."""
    seen = augmented(train, share=config.augment_share, seed=config.seed)
    made = [
        training_rows(
            texts,
            policy,
            tokenizer,
            max_tokens=config.max_tokens,
            overlap_tokens=config.overlap_tokens,
            source_input=config.source_input,
            evidence_windows=True,
        )
        for texts in (seen, unlabelled)
        if texts
    ]
    rows = datasets.concatenate_datasets(made)
    return rows, np.arange(len(rows)) < len(made[0])


def kept_answers(
    teacher: BertForSequenceClassification, folder: Path, rows: datasets.Dataset, collate: Collator, config: DistilConfig, path: Path
) -> Answers:
    """The teacher's answers to the rows, read from ``path`` where they were made by the same weights for the same rows, and written there else."""
    stamp = hashlib.sha256(f"{sha256_of(folder / 'model.safetensors')} {fingerprint_of(rows)} {use_bf16(config.bf16)}".encode()).hexdigest()
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            if str(kept["stamp"]) == stamp:
                return Answers(kept["logits"], kept["hidden"])
    answers = answers_of(teacher, rows, collate, config)
    with atomic_path(path) as temporary:
        np.savez(temporary, stamp=np.array(stamp), **asdict(answers))
    return answers


def answers_of(model: BertForSequenceClassification, rows: datasets.Dataset, collate: Collator, config: DistilConfig) -> Answers:
    """What a model answers to rows, in their order, without dropout."""
    if model.config.num_labels != len(rows[0]["labels"]):
        raise EncoderError(f"Expected a model with {len(rows[0]['labels'])} logits, one for each question, but it has {model.config.num_labels}.")
    order = np.argsort(column(rows, "length"), kind="stable")
    logits = np.empty((len(rows), model.config.num_labels), dtype=np.float32)
    hidden = np.empty((len(rows), model.config.hidden_size), dtype=np.float32)
    model.eval()
    with torch.inference_mode(), computing(config.bf16):
        for positions in _batches(order, 4 * config.batch_size):
            batch = collate([rows[int(i)] for i in positions])
            batch.pop("labels")
            found = model(**batch, output_hidden_states=True)
            logits[positions], hidden[positions] = found.logits.float().numpy(), found.hidden_states[-1][:, 0].float().numpy()
    return Answers(logits, hidden)


def means(values: Sequence[float], n_parts: int) -> list[float]:
    """Means of up to ``n_parts`` equal stretches.

    >>> means([4.0, 2.0, 1.0, 1.0], 2)
    [3.0, 1.0]
    """
    return [float(part.mean()) for part in np.array_split(np.array(values), min(n_parts, len(values)))]


class _Lesson:
    """A student, what it learns from, and how far it has come."""

    def __init__(
        self,
        student: BertForSequenceClassification,
        rows: datasets.Dataset,
        labelled: npt.NDArray[np.bool_],
        answers: Answers,
        collate: Collator,
        config: DistilConfig,
    ) -> None:
        self.student = student
        self._rows, self._labelled, self._answers, self._collate, self._config = rows, labelled, answers, collate, config
        self._lengths = column(rows, "length")
        rates = TrainingConfig(learning_rate=config.learning_rate, head_learning_rate=config.head_learning_rate)
        self._optimizer = make_optimizer(student, rates)
        n_steps = config.n_epochs * -(-len(rows) // config.batch_size)
        self._n_steps = min(n_steps, config.max_steps or n_steps)
        self._n_done = 0
        warmup = max(1, round(config.warmup_share * self._n_steps))
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: min((step + 1) / warmup, (self._n_steps - step) / max(1, self._n_steps - warmup), 1.0)
        )

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self._n_done >= self._n_steps

    def epoch(self, number: int) -> list[float]:
        """See every row once; the loss of each step comes back."""
        self.student.train()
        losses = []
        order = length_order(self._lengths, self._config.batch_size, seed=self._config.seed, epoch=number)
        for positions in _batches(order, self._config.batch_size):
            if self.finished:
                break
            losses.append(self._step(positions))
            self._n_done += 1
        return losses

    def _step(self, positions: npt.NDArray[np.int64]) -> float:
        config = self._config
        batch = self._collate([self._rows[int(i)] for i in positions])
        labels, labelled = batch.pop("labels"), torch.from_numpy(self._labelled[positions])
        with computing(config.bf16):
            found = self.student(**batch, output_hidden_states=config.hidden_weight > 0)
        loss = distil_loss(found.logits.float(), torch.from_numpy(self._answers.logits[positions]), labels.float(), labelled, config)
        if config.hidden_weight:
            first = found.hidden_states[-1][:, 0].float()
            loss = loss + config.hidden_weight * mse_loss(first, torch.from_numpy(self._answers.hidden[positions]))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self._optimizer.step()
        self._schedule.step()
        self._optimizer.zero_grad()
        return float(loss.detach())


def _batches(order: npt.NDArray[np.int64], size: int) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, len(order), size):
        yield order[start : start + size]
