"""What holds while a public method of an estimator runs."""

import functools
from types import FunctionType
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.utils.validation import check_is_fitted

from skae._fits import fits_of
from skae._isolation import usual_settings
from skae._stored import StoredMixin
from skae.lazy.mapping import OF_ROWS, map_lazily
from skae.table.remedies import remedies_for
from skae.training.devices import resolve_device
from skae.training.workers import ALONE

LEARNING = "fit", "partial_fit"
USING = (
    "transform",
    "inverse_transform",
    "reconstruct",
    "interpolate",
    "score_samples",
    "score",
    "explain",
    "impute",
    "sample",
    "decision_function",
    "predict",
    "pvalues",
    "select",
    "describe_codes",
    "to_design",
    "posterior_variances",
    "code_divergences",
)


# Most tables; with these nothing has to be looked up.
IN_MEMORY = np.ndarray, pd.DataFrame


class EntryPoints(StoredMixin):
    """Base of what has public methods: these run as if nobody had set anything.

    All of them run under torch's and numpy's usual settings. What trains does all of its
    work or, with an exception, nothing: the estimator is then what it was. Fits of one
    estimator in several threads take turns; who uses it meanwhile, uses what it was.
    """

    device: Any
    # Whoever fits beside this estimator; set while one of several workers fits it.
    _workers = ALONE
    # Whether several workers can.
    _trains_in_parallel = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for names, wrap in ((LEARNING, _learns), (USING, _uses)):
            for name in set(names) & set(vars(cls)):
                # What a subclass has in place of a method is its own affair.
                if isinstance(vars(cls)[name], FunctionType):
                    setattr(cls, name, wrap(vars(cls)[name]))

    def to(self, device: str | torch.device) -> Self:
        """Move the fitted networks to another device.

        Parameters
        ----------
        device : str or torch.device
            "auto" is the CUDA device where there is one, else the CPU. It becomes the
            parameter `device`, as by ``set_params(device=device)``, which moves the
            networks as well: when they are next used.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If the device is not available. Nothing has been moved then.
        """
        check_is_fitted(self)
        there = resolve_device(device)
        self._move_to(there)
        self.device_ = there
        self.device = self._device_followed = device
        return self

    def _move_to(self, device):
        """Move all tensors of the fitted estimator."""
        raise NotImplementedError

    def _follow_device(self):
        """Move to the device that the parameter names, if it has changed since the fit."""
        followed = self.__dict__.get("_device_followed")
        if followed is not None and self.device != followed:
            self.to(self.device)


def _uses(method):
    name = method.__name__

    @functools.wraps(method)
    def uses(self, *args, **kwargs):
        if name in OF_ROWS and not (args and isinstance(args[0], IN_MEMORY)):
            results = _use_lazily(self, name, *args, **kwargs)
            if results is not None:
                return results
        with usual_settings():
            return fits_of(self).read(self, _use, method, args, kwargs)

    return uses


def _use_lazily(estimator, name, X=None, *args, **kwargs):
    """Return the results for a table that is not in memory, None for any other."""
    return None if args else map_lazily(estimator, name, X, kwargs)


def _use(estimator, method, args, kwargs):
    estimator._follow_device()
    return method(estimator, *args, **kwargs)


def _learns(method):
    @functools.wraps(method)
    def learns(self, *args, **kwargs):
        with fits_of(self).turn(self), usual_settings(), remedies_for(None):
            self._follow_device()
            result = method(self, *args, **kwargs)
            self._device_followed = self.device
        return result

    return learns
