"""How a transformer's net is trained: the schedule, the run, and what it leaves behind."""

from contextlib import nullcontext

from sklearn.exceptions import ConvergenceWarning

from skae import _defaults
from skae._warnings import warn
from skae.corruption import Corrupter
from skae.training.callbacks import EpochTasks
from skae.training.generators import MAX_SEED, GlobalDraws
from skae.training.net import Net
from skae.training.schedule import Budget, Schedule
from skae.training.skorch_callbacks import listed


class TrainingMixin:
    """Training of `net_`, on rows that are encoded.

    A subclass overrides:

    - `_budget`: how long training takes.
    - `_order_codes`, `_keep_order`: what order the codes have.
    """

    net_: Net

    # ------------------------------------------------------------------ to override

    def _budget(self):
        """Return the `Budget` of training where no parameter sets it."""
        return Budget(harder=self.corruption is not None)

    def _order_codes(self, data, model, n_learned):
        """Put the codes of a model into their order, and return what is known of it."""

    def _keep_order(self, found, judged):
        """Keep what `_order_codes` returned, once training is over."""

    # ------------------------------------------------------------------ training

    def _schedule(self, data, rng):
        """Settle how to train on `data`, and say so in attributes."""
        n_train = data.n_train_of_all
        budget = self._budget()
        factor = max(
            _defaults.choose_budget_factor(self._table.missing_fraction_, budget.harder),
            self.network_.budget_factor,
        )
        self.batch_size_ = min(
            self.batch_size or _defaults.choose_batch_size(n_train), n_train
        )
        self.max_iter_ = self.max_iter or _defaults.choose_max_iter(
            n_train, self.batch_size_, budget.factor * factor
        )
        self.n_iter_no_change_ = self.n_iter_no_change or _defaults.choose_n_iter_no_change(
            self.max_iter_
        )
        corrupt = Corrupter(self.corruption, self._table.design_, data.learned) or None
        return Schedule(
            n_epochs=self.max_iter_,
            batch_size=self.batch_size_,
            learning_rate=self.learning_rate_init,
            one_cycle=self.learning_rate == "one_cycle",
            n_iter_no_change=self.n_iter_no_change_,
            tol=self.tol,
            seed=rng.randint(MAX_SEED),
            warmup=budget.warmup,
            corrupt=corrupt,
            steady=budget.steady and corrupt is None,
            refit=self._refits(data),
            # Where every step shows other rows, few too many do little harm, and all are dear.
            folds_choose=not budget.harder,
            workers=self._workers,
        )

    def _refits(self, data):
        """Return whether rows that were held out are to be trained on in the end."""
        if not data.n_valid or data.is_separate or self._workers.size > 1:
            return False
        if self.refit != "auto":
            return bool(self.refit)
        n_rows = len(data.source)
        return n_rows < _defaults.REFIT_BELOW and not listed(self.callbacks)

    def _confirms(self, data):
        """Return whether more rows are held out where the first ones leave it open."""
        n_rows = len(data.source)
        few = 2 * data.n_valid <= n_rows < _defaults.CONFIRM_BELOW
        return (
            few and data.n_valid > 0 and not data.is_separate and not listed(self.callbacks)
        )

    def _train(self, data, schedule, given):
        """Train the net, and return the rows as they were trained on in the end."""
        net = self.net_
        net.use_callbacks(self.callbacks, int(self.verbose))
        net.set_lr(schedule.learning_rate)
        tasks = EpochTasks(self, data, (1 + schedule.refit) * schedule.n_epochs, given)
        schedule.begin_epoch, schedule.end_epoch = tasks.begin, tasks.end
        schedule.draws, judged = self._global_draws(schedule.seed), []
        schedule.before_refit = lambda: judged.append(
            self._order_codes(data, net.snapshot().module_, data.n_train)
        )
        net.partial_fit(data, schedule=schedule)
        self._read_history()
        # A refit has seen the rows that were held out.
        n_learned = len(data.source) if self.n_iter_refit_ else data.n_train
        found = self._order_codes(data, net.module_, n_learned)
        self._keep_order(found, judged[0] if self.n_iter_refit_ else None)
        tasks.finish()
        warning = net.how_it_ended(self.learning_rate_init)
        if warning:
            warn(warning, ConvergenceWarning)
        return data.all_to_train() if self.n_iter_refit_ else data

    def _global_draws(self, seed):
        """Return the context of what may draw from torch's global generators."""
        if self.network_.draws_globally:
            return GlobalDraws(seed, self.device_)
        return nullcontext

    def _read_history(self):
        self.loss_curve_, held_out = self.net_.loss_curves()
        self.n_iter_, self.best_iter_ = len(self.loss_curve_), self.net_.best_epoch_
        start, stop = self.net_.refit_span_
        self.n_iter_refit_ = (stop - start) * self.net_.is_refit_
        if held_out:
            self.validation_loss_curve_ = held_out
