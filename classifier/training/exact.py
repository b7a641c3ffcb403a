"""``Trainer`` made exact: one order of rows whatever the number of processes, losses that add up to one batch, checkpoints that are whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from classifier.training.checkpoints import Checkpoint, last_whole, seal, sweep
from classifier.training.spent import Meter, Spent


class Order(Protocol):
    """A sampler whose order is decided by its epoch, and by nothing that moves on while training."""

    def set_epoch(self, epoch: int) -> None:
        """Another order for another epoch."""


class ExactTrainer(Trainer):  # type: ignore[misc]
    """A ``Trainer`` that a kill cannot change: started again, it ends with the weights of an undisturbed run.

    Three things of the plain one stand in the way of that, and are replaced: its order by length comes from the global generator of torch, which
    has moved on by the time an epoch is resumed (and differs between processes); a loss of one's own is neither shared out over the parts of an
    accumulated batch nor over processes; and a checkpoint looks finished from its first file on.
    """

    def __init__(
        self, *, order: Order, run_fingerprint: str, compute_loss_func: Any, save_steps: int = 0, keep_last: int = 0, **options: Any
    ) -> None:
        """Take the arguments of ``Trainer``, and besides:

        :param order: the order of the training rows, one for all processes (``LengthOrder``, ``PairSampler``).
        :param run_fingerprint: what the run is made of; a checkpoint of another run is refused.
        :param compute_loss_func: the mean loss over a batch.
        :param save_steps: a checkpoint every so many updates besides each epoch; 0 for none.
        :param keep_last: checkpoints of the last so many epochs stay, besides the newest and the best one.
        """
        super().__init__(compute_loss_func=share_of_batch(compute_loss_func), **options)
        self.order = order
        self.run_fingerprint = run_fingerprint
        self.keep_last = keep_last
        self.spent_before = Spent()
        self.meter = Meter()
        self.add_callback(_Steps(self.order, save_steps))

    def start(self, *, resume: bool) -> Any:
        """Train, from the last whole checkpoint where ``resume`` says so and there is one.

        :raises DataError: when that checkpoint was made with other settings or data.
        """
        checkpoint = last_whole(Path(str(self.args.output_dir)), self.run_fingerprint) if resume else None
        if checkpoint is None:
            return self.train()
        self.spent_before = checkpoint.spent
        if _stopped_early(checkpoint):
            # All epochs that there are going to be: nothing is trained, the best one is loaded.
            self.args.num_train_epochs = _epochs(checkpoint)
        return self.train(resume_from_checkpoint=str(checkpoint.folder))

    def spent(self) -> Spent:
        """What the run has spent up to now, work that was lost in a kill not counted."""
        return self.spent_before.plus(self.meter.spent())

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:
        return self.order

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
            seal(folder, self.run_fingerprint, self.spent())
            # Only now, or a kill in between would leave nothing whole.
            sweep(folder.parent, keep={folder.name, f"checkpoint-{self.state.best_global_step}", *self._last_epochs()})

    def _last_epochs(self) -> list[str]:
        n_steps = self.state.max_steps // self.state.num_train_epochs
        n_epochs = self.state.global_step // n_steps
        return [f"checkpoint-{epoch * n_steps}" for epoch in range(max(1, n_epochs - self.keep_last + 1), n_epochs + 1)]


def share_of_batch(mean_loss: Any) -> Any:
    """A mean loss over one part of a batch as that part's share of the mean over the whole batch.

    ``Trainer`` sums the parts: those of an accumulated batch, and those of other processes (it counts their items, and multiplies by their number
    before the gradients are averaged). A short last part then weighs no more than its texts.

    :param mean_loss: called with outputs, labels and the number of items.
    """

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        mean: torch.Tensor = mean_loss(outputs, labels, num_items_in_batch)
        return mean if num_items_in_batch is None else mean * (labels.ne(-100).sum() / num_items_in_batch)

    return loss


class _Steps(TrainerCallback):  # type: ignore[misc]
    """Tells the order its epoch, and asks for checkpoints inside an epoch."""

    def __init__(self, order: Order, save_steps: int) -> None:
        self._order = order
        self._save_steps = save_steps

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._order.set_epoch(int(state.epoch or 0))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        # The last step of an epoch has its checkpoint after the evaluation: one before would resume past it.
        ends_epoch = state.epoch == int(state.epoch or 0)
        if self._save_steps and not ends_epoch and state.global_step % self._save_steps == 0:
            control.should_save = True


def _state(checkpoint: Checkpoint) -> Any:
    return json.loads((checkpoint.folder / "trainer_state.json").read_text(encoding="utf-8"))


def _stopped_early(checkpoint: Checkpoint) -> bool:
    """Whether the run had lost its patience: the plain trainer would forget that and go on."""
    saved = _state(checkpoint)["stateful_callbacks"].get(EarlyStoppingCallback.__name__)
    return bool(saved) and saved["attributes"]["early_stopping_patience_counter"] >= saved["args"]["early_stopping_patience"]


def _epochs(checkpoint: Checkpoint) -> int:
    return round(float(_state(checkpoint)["epoch"]))
