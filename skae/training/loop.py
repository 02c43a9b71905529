"""The training loop: epochs over rows that stay on the device."""

import math
from contextlib import closing
from itertools import islice

import torch
from skorch import NeuralNet
from skorch.dataset import Dataset

from skae.training.batches import Batches
from skae.training.confirming import Confirmation
from skae.training.early_stopping import Checkpoint, EarlyStopping
from skae.training.generators import use_generator
from skae.training.interrupts import InterruptWatch
from skae.training.recording import Recording
from skae.training.refitting import Refitting
from skae.training.resuming import Resuming
from skae.training.skorch_callbacks import best_loaded


class TrainingLoop(NeuralNet):
    """What a net does in training, with one synchronisation per epoch."""

    best_epoch_ = 0
    refit_span_ = 0, 0
    is_refit_ = False
    stop_reason_ = "epochs"
    _in_callback = False

    def notify(self, method_name, **cb_kwargs):
        """Call the callbacks, and note an exception that one of them raises."""
        self._in_callback = True
        super().notify(method_name, **cb_kwargs)
        self._in_callback = False

    def partial_fit(self, X, y=None, classes=None, *, schedule):
        """Train on `TrainingRows` as a `Schedule` says."""
        self.max_epochs, self.batch_size = schedule.n_epochs, schedule.batch_size
        seen = self._dataset(X, 0, len(X.source))
        given = {"X": None, "y": None} if seen is None else {"X": seen.X, "y": seen.y}
        start = Checkpoint(self.module_) if schedule.start_again else None
        self.notify("on_train_begin", **given)
        if start is not None and not start.is_live:  # a callback has loaded another
            schedule.start_again = None
        self.fit_loop(X, schedule=schedule)
        self.notify("on_train_end", **given)
        # The best state is there, unless a callback has loaded another.
        loaded = best_loaded(self)
        if loaded:
            self.best_epoch_, self.is_refit_ = loaded, False
        return self

    def fit_loop(self, X, y=None, epochs=None, *, schedule, **fit_params):
        rank = schedule.workers.rank
        generator = torch.Generator(self.device).manual_seed(schedule.seed + rank)
        self.stop_reason_, self.best_epoch_, self.is_refit_ = "epochs", 0, False
        self._in_callback = False
        stopping, self.start_loss_ = EarlyStopping(self, X, schedule), math.nan
        with InterruptWatch() as watch:
            try:
                self.start_loss_ = stopping.begin()
                resuming = Resuming(self, stopping, generator, schedule)
                with use_generator(generator, self.module_):
                    self._run_epochs(X, schedule, stopping, generator, resuming=resuming)
                self._decide(schedule, stopping)
                if schedule.refit and stopping.n_epochs and not self._was_stopped:
                    self._refit(schedule, stopping)
            except KeyboardInterrupt:
                asked = self._in_callback and not watch.received
                self.stop_reason_ = "callback" if asked else "interrupted"
            finally:
                self._set_training(False)
                self.optimizer_.zero_grad()
                stopping.restore_best()
        return self

    def _decide(self, schedule, stopping):
        """Settle whether the start is left, by other held-out rows too where that is open."""
        if stopping.rows.holds_out:
            if not ((schedule.refit and schedule.folds_choose) or self._was_stopped):
                stopping.prefer_last()
            stopping.judge(stopping.falls, stopping.rows.valid_weights)
            if schedule.confirm and not self._was_stopped:
                Confirmation(self, stopping).run()
            stopping.restore_best()

    def _dataset(self, rows, start, stop):
        """Return what callbacks get to see of rows `start` to `stop`, if there are any."""
        if start == stop:
            return None
        design, source = self.design_, rows.source
        widths = design.n_inputs, design.n_outputs
        return Dataset(*(source.part(start, stop, width) for width in widths))

    @property
    def _was_stopped(self):
        return self.stop_reason_ not in ("epochs", "no_change")

    def _refit(self, schedule, stopping):
        """Train from the start on all rows, for as many steps as were best."""
        reason, refitting = self.stop_reason_, Refitting(self, stopping)
        n_all = schedule.n_epochs * schedule.steps_per_epoch(stopping.rows.n_train)
        generator = torch.Generator(self.device).manual_seed(schedule.seed)
        refitting.begin()
        with use_generator(generator, self.module_):
            self._run_epochs(
                refitting.rows, schedule, refitting, generator, refitting.n_steps, n_all
            )
        if self.stop_reason_ != "callback":
            self.stop_reason_ = reason
            refitting.finish()

    def _run_epochs(
        self,
        rows,
        schedule,
        stopping,
        generator,
        n_steps=None,
        n_all=None,
        resuming=None,
    ):
        """Take all steps of the schedule on `rows`, or the first `n_steps` of `n_all`.

        `stopping` is told of every epoch, and says when it was the last. Epochs that are
        over by `resuming` are left out, and it keeps the state after each of the others.
        """
        per_epoch, n_done = schedule.steps_per_epoch(rows.n_train_of_all), 0
        if resuming is not None:
            n_done = resuming.n_epochs
            if resuming.finished:
                self.stop_reason_ = resuming.finished
                return
        if n_steps is None:
            n_steps = n_all = schedule.n_epochs * per_epoch
        datasets = {
            "dataset_train": self._dataset(rows, 0, rows.n_train),
            "dataset_valid": self._dataset(rows, rows.n_train, len(rows.source)),
        }
        recording = Recording.of(self, schedule, generator)
        for first in range(n_done * per_epoch, n_steps, per_epoch):
            steps = range(first, min(first + per_epoch, n_steps))
            schedule.begin_epoch()
            self.notify("on_epoch_begin", **datasets)
            if not any(p.requires_grad for _, p in self.get_all_learnable_params()):
                raise ValueError(
                    "A callback has frozen all parameters of the network, and nothing is left "
                    "to train; give Freezer patterns that leave some, such as 'encoder*'."
                )
            batches = rows.batches(schedule.batch_size, generator)
            with schedule.draws(), closing(batches):
                total = self.run_single_epoch(
                    islice(batches, len(steps)),
                    training=True,
                    prefix="train",
                    step_fn=None,
                    rows=rows,
                    corrupt=schedule.corrupt,
                    generator=generator,
                    rates=schedule.learning_rates(steps, n_steps, n_all),
                    annealing=schedule.annealing(steps, n_all),
                    workers=schedule.workers,
                    recording=recording,
                )
            schedule.workers.synchronise(self.module_)
            n_rows = min(rows.n_train_of_all, len(steps) * schedule.batch_size)
            finished = stopping.end_epoch(schedule.workers.total(total), n_rows)
            self.notify("on_epoch_end", **datasets)
            if schedule.end_epoch():
                finished = finished or "callback"
            if resuming is not None:
                resuming.end_epoch(finished)
            if finished:
                self.stop_reason_ = finished
                return

    def descend(self, seen, batch, observed, weight):
        """Leave the gradients of a batch in the weights; return its mean loss and output."""
        losses, output = self.module_.losses(seen, batch, observed, weight)
        loss = losses.mean() if weight is None else (losses * weight).mean()
        loss.backward()
        return loss.detach(), output.detach()

    def run_single_epoch(
        self,
        iterator,
        training,
        prefix,
        step_fn,
        *,
        rows,
        corrupt,
        generator,
        rates,
        annealing,
        workers,
        recording,
    ):
        """Take one pass over the batches in `iterator`: row numbers, design and mask.

        Returns
        -------
        total : torch.Tensor of shape ()
            The sum of the rows' losses, on the device.
        """
        model, weights = self.module_, rows.train_weights
        optimizer, groups = self.optimizer_, self.optimizer_.param_groups
        parameters = list(model.parameters())
        learned = [p for p in parameters if p.requires_grad]
        total = torch.zeros((), device=generator.device, dtype=torch.float32)
        self._set_training(True)
        with Batches(self, prefix) as told:
            for step, (indices, batch, observed) in enumerate(iterator):
                weight = None if weights is None else weights.index_select(0, indices)
                if rates is not None:
                    for group in groups:
                        group["lr"] = rates[step]
                model.annealing = annealing[step]
                if told.watched:
                    told.begin(batch)
                    self._set_training(True)  # a callback may have asked for predictions
                for parameter in parameters:  # in a tenth of zero_grad's time
                    parameter.grad = None
                if not len(batch):  # the other workers have rows
                    workers.average_gradients(learned, 0)
                    optimizer.step()
                    continue
                seen = batch if corrupt is None else corrupt(batch, observed, generator)
                loss = None
                if recording is not None:
                    given = seen, batch, observed, weight
                    loss = recording.play(groups[0]["lr"], annealing[step], *given)
                if loss is None:
                    loss, output = self.descend(seen, batch, observed, weight)
                    workers.average_gradients(learned, len(batch))
                    if told.watched:
                        told.of_gradients(batch)
                    optimizer.step()
                total.add_(loss, alpha=len(batch))
                if told.kept is not None:
                    told.end(batch, loss, output)
        return total
