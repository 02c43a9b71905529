"""What the penalties share."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from skae._component import Setting


class Penalty(Setting):
    """What the penalties share: they are added, times `weight`, to the loss of the rows.

    The codes are those of `transform`. The sum is also the loss of held-out rows; scores
    count the reconstruction alone. A subclass defines `penalise`, and stores its settings as
    scikit-learn's estimators do.

    Attributes
    ----------
    weight : float
        1 where a subclass stores none.
    code_activation : {"shrink", "logistic"} or None
        The activation that the codes need for the penalty to mean what it says.
    by_inputs : bool
        Whether `penalise` differentiates the codes by the rows.
    relative : bool
        Whether `penalise` sees the codes in units of the scale that they start with.
    scale_free : bool
        Whether codes of another scale cost the same. They are then rescaled to the scale
        that they had before the first step: nothing else would keep them there.

    Examples
    --------
    Codes that are small:

    >>> from skae import AutoencoderTransformer
    >>> from skae.penalties import Penalty
    >>> class Small(Penalty):
    ...     def __init__(self, weight=1.0):
    ...         self.weight = weight
    ...
    ...     def penalise(self, codes, x, weights):
    ...         return codes.square().mean(dim=1)
    >>> small = AutoencoderTransformer(2, penalties=[Small(0.1)])
    """

    weight = 1.0
    code_activation: str | None = None
    by_inputs = False
    relative = False
    scale_free = False

    _parameter_constraints: dict = {"weight": [Interval(Real, 0, None, closed="left")]}

    def penalise(self, codes, x, weights):
        """Return what the codes cost.

        Parameters
        ----------
        codes : torch.Tensor of shape (n, n_components)
        x : torch.Tensor of shape (n, n_inputs)
            Rows of the design matrix, as the network sees them.
        weights : torch.Tensor of shape (n,) or None
            Weights of the rows. The costs are not yet multiplied by them.

        Returns
        -------
        costs : torch.Tensor of shape (n,), or () for a cost of all rows together
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method penalise.")
