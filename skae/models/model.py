"""What a fit trains: encoder and decoder, and what a row costs."""

import torch
from torch import nn

from skae.models.pca_start import link_start, output_start
from skae.models.watched import Watched


class Model(nn.Module):
    """Encoder, decoder and losses of one kind of autoencoder.

    A subclass builds `encoder` and `decoder`, sets `columns`, and overrides what differs.
    Rows are rows of the design matrix, x of shape (n, n_inputs), with `observed` of shape
    (n, n_features): the state of every cell, or None where all are observed.

    Attributes
    ----------
    encoder, decoder : torch.nn.Module
    columns : ColumnLosses
        What every cell costs.
    annealing : float
        Factor on the weight of a divergence while training; the loop raises it to 1.
    has_dataset_loss : bool
        Whether `dataset_loss` is part of the loss of held-out rows.
    copies_per_row : int
        Copies of a row that `score` works on at a time.
    scoring_parameters : tuple of str
        Parameters of the estimator that `score` reads from attributes of the model.
    has_unbounded_losses : bool
        Whether few rows make the mean of the losses, as they do where squared errors are
        divided by a variance that is learned.
    starts_at_optimum : bool
        Whether the start is the best model of its kind, to be left only for what is better
        clearly.
    arranges_codes : bool
        Whether the codes can be put into another order: encoder and decoder are `Arranged`.
    codes_have_signs : bool
        Whether a code may as well be multiplied by -1.
    turns_codes : bool
        Whether any other combinations of the codes would do as well as these.
    repeats_steps : bool
        Whether a training step depends on those before by the weights alone, and never waits
        for the device: on a GPU it can be recorded.
    shrinks : bool
        Whether numbers that are decoded of a row's codes are drawn to their means.
    completion : CodeCompletion
        What the first codes say of the others, if that has been learned.
    has_other_weights : bool
        Whether weights were loaded after the order of the codes had been learned.
    """

    annealing = 1.0
    has_dataset_loss = False
    copies_per_row = 1
    scoring_parameters: tuple[str, ...] = ()
    has_unbounded_losses = False
    starts_at_optimum = True
    arranges_codes = False
    codes_have_signs = True
    turns_codes = False
    repeats_steps = False
    shrinks = False
    has_other_weights = False

    @torch.no_grad()
    def initialise(self, design, pca, source, n_train, rng):
        """Start at the principal components of the training rows.

        Parameters
        ----------
        design : Design
        pca : PrincipalAxes or None
            None: the weights stay random.
        source : DenseRows or SparseRows
        n_train : int
            The first rows of `source`, which are not held out.
        rng : numpy.random.RandomState
        """
        if pca is None:
            return
        x = source.design(design.n_outputs)
        gains, offsets = output_start(design, pca, x)
        link = getattr(self.decoder, "link", None)
        if link is not None:
            cost = self.columns.number_loss
            gains, offsets = link_start(link, cost, design, pca, x, gains, offsets)
        self.start_from_pca(pca, pca.outputs(gains), offsets)

    def start_from_pca(self, pca, gains, offsets):
        """Set the linear maps so that the decoder returns ``gains * (U z) + offsets``.

        Parameters
        ----------
        pca : PrincipalAxes
        gains, offsets : torch.Tensor of shape (n_outputs,)
            1 and 0 for numeric columns; for categories, and numeric columns with a link,
            what turns PCA's reconstruction into logits and logarithms.
        """
        raise NotImplementedError

    def losses(self, seen, x, observed, weights=None):
        """Return the losses of rows, shape (n,), and their reconstruction.

        Parameters
        ----------
        seen : torch.Tensor of shape (n, n_inputs)
            The rows as the network sees them: `x`, corrupted or not.
        weights : torch.Tensor of shape (n,), default=None
            Of the rows, for terms that compare rows with each other. The losses are not
            yet multiplied by them.
        """
        output = self(seen)
        return self.columns.mean(output, x, observed), output

    def dataset_loss(self, x, weights):
        """Return the dataset-level regulariser of rows, shape ()."""
        raise NotImplementedError

    def encode(self, x):
        """Return the codes of rows, shape (n, n_components)."""
        return self.encoder(x)

    def decode(self, codes):
        """Return numbers in standard units and logits, shape (n, n_outputs)."""
        return self.decoder(codes)

    def load_state_dict(self, *args, **kwargs):
        """Load weights, of whose codes neither an order nor a completion is known."""
        loaded = super().load_state_dict(*args, **kwargs)
        self._modules.pop("completion", None)
        self.has_other_weights = True
        return loaded

    @property
    def is_completed(self):
        """Whether it has been learned what the first codes say of the others."""
        return self._modules.get("completion") is not None

    def decode_first(self, codes, n_kept):
        """Return what `decode` does where the first `n_kept` codes alone are known.

        The others are 0 where nothing has been learned of them.
        """
        if self.is_completed and (self.shrinks or n_kept < codes.shape[1]):
            return self.completion(self.decode, codes, n_kept)
        known = torch.arange(codes.shape[1], device=codes.device) < n_kept
        return self.decode(torch.where(known, codes, 0.0))

    def forward(self, x):
        """Return the reconstruction of rows, shape (n, n_outputs)."""
        return self.decode(self.encode(x))

    def expected(self, x, observed):
        """Return decoder output in which missing cells are what the others imply."""
        return self(x)

    def score(self, x, observed):
        """Return how normal rows are, shape (n,); higher is more normal."""
        return -self.error(x, observed)

    def error(self, x, observed):
        """Return how anomalous rows are, shape (n,), not negative: what `explain` attributes."""
        return self.columns.mean(self(x), x, observed)

    def cell_errors(self, x, observed):
        """Return the error of every cell given the code, shape (n, n_features)."""
        return self.columns.weigh(self.columns.per_cell(self(x), x, observed))

    @torch.no_grad()
    def rearrange(self, order, signs):
        """Put the codes into an order, and multiply them, in that order, by signs.

        Parameters
        ----------
        order : torch.Tensor of int of shape (n_components,)
        signs : torch.Tensor of shape (n_components,)
        """
        self.encoder.rearrange(order, signs)
        self.decoder.rearrange(order, signs)
        if (order != torch.arange(len(order), device=order.device)).any():
            self._modules.pop("completion", None)  # of the first codes in their order
        self.rescale_completion(signs)

    @torch.no_grad()
    def turn(self, matrix, inverse, centre):
        """Make (z - centre) matrix of the codes z; see `Arranged.turn`."""
        for part in (self.encoder, self.decoder):
            part.turn(matrix, inverse, centre)
        self._modules.pop("completion", None)

    def rescale_completion(self, factors):
        """Let the completion follow codes that are multiplied by factors."""
        if self.is_completed:
            self.completion.rescale(factors)

    def watched(self):
        """Return what watches the user's own functions in the loss, list of Watched."""
        parts = [getattr(part, "watched", None) for part in self.modules()]
        return [part for part in parts if isinstance(part, Watched)]

    def after_fit(self, x):
        """Settle what training leaves open, on training rows `x`."""
