"""Where a transformer's net starts: the layers, and the principal axes they are set to."""

import math
from numbers import Integral

import numpy as np
import torch

from skae import _defaults
from skae._warm_start import structure_of
from skae.architectures import choose_network
from skae.architectures.architecture import Layers
from skae.models.precision import forget
from skae.models.principal_axes import principal_axes
from skae.table.validation import check_layer_sizes
from skae.training.devices import threads_for
from skae.training.generators import MAX_SEED
from skae.training.net import Net


class StartingMixin:
    """The start of `BaseAutoencoder.fit`."""

    # Whether layers are trained before the whole: the start is more than PCA then.
    _pretrains = False

    def _start(self, source, rows, sample_weight, n_train, rng):
        """Find the principal axes and build the net that starts there."""
        self.__dict__.pop("validation_loss_curve_", None)
        design, pca, n_components = self._table.design_, None, self.n_components
        if not isinstance(n_components, Integral) or self.init == "pca":
            weights = None if sample_weight is None else sample_weight[rows]
            pca = self._principal_axes(source, weights, n_components, rng)
        self.n_components_ = (
            int(n_components) if isinstance(n_components, Integral) else pca.axes.shape[1]
        )
        self.hidden_layer_sizes_ = self._choose_hidden_layer_sizes(len(rows))
        self.network_ = choose_network(self.network)
        self.network_.check_design(design)
        layers = Layers(
            self.hidden_layer_sizes_,
            self.activation,
            self.dropout,
            _defaults.choose_clip(len(rows)),
            torch.Generator().manual_seed(rng.randint(MAX_SEED)),
        )
        with self._global_draws(0)():  # a user's modules are tried, and may draw
            model = self._build_model(design, layers, n_train)
        self._configure_model(model)
        with threads_for(0):  # clusters of codes are as the last digits of these have it
            model.initialise(
                design, pca if self._starts_at_pca else None, source, n_train, rng
            )
        self._fitted_structure = structure_of(self)
        self.net_ = Net.around(
            model,
            design,
            lr=self.learning_rate_init,
            weight_decay=self.alpha,
            callbacks=self.callbacks,
            verbose=int(self.verbose),
            device=self.device_,
        )

    def _configure(self):
        forget(self.net_.module_)
        self._configure_model(self.net_.module_)
        self.net_.module_.to(self.device_)

    def _principal_axes(self, source, weights, n_components, rng):
        if not isinstance(n_components, Integral):
            n_components = float(n_components)
        x = source.design(self._table.design_.n_outputs)
        weights = None if weights is None else torch.as_tensor(weights).cpu()
        with threads_for(math.prod(x.shape) * min(x.shape)):
            return principal_axes(x, weights, n_components, rng, self._design_units())

    @property
    def _starts_at_pca(self):
        return self.init == "pca" and self.network_.starts_at_pca

    def _starts_apart(self, schedule):
        """Return whether what only chooses starts at PCA of the rows to train on alone.

        PCA that has seen the rows that are held out is flattered by them, by a fifth or more
        of its error on them where rows are few; it is the start that is to be beaten. Where
        no refit follows, the axes of all rows are worth more than a choice that is fair.
        """
        return schedule.refit and self._starts_at_pca and not self._pretrains

    def _start_again(self, data, seed):
        """Have the model start at PCA of the rows to train on alone."""
        source, rng = data.source.first(data.n_train), np.random.RandomState(seed)
        pca = self._principal_axes(source, data.train_weights, self.n_components_, rng)
        model = self.net_.module_.cpu()
        learned = [weight.requires_grad for weight in model.parameters()]
        try:
            with threads_for(0):
                model.initialise(self._table.design_, pca, source, data.n_train, rng)
        finally:
            model.to(self.device_)
            for weight, is_learned in zip(model.parameters(), learned, strict=True):
                weight.requires_grad_(is_learned)  # a callback may have frozen it

    def _choose_hidden_layer_sizes(self, n_rows):
        if self.hidden_layer_sizes is None:
            return self._default_hidden_layer_sizes(n_rows)
        return check_layer_sizes("hidden_layer_sizes", self.hidden_layer_sizes)

    def _default_hidden_layer_sizes(self, n_rows):
        return _defaults.choose_hidden_layer_sizes(n_rows)
