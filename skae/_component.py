"""Small objects of parameters that stand in a parameter of an estimator."""

import torch
from sklearn.base import BaseEstimator

from skae.stored.packing import pack, unpack

# Where the state of a setting has what JSON cannot hold.
STORED = "stored_"


class Setting(BaseEstimator):
    """A noise, a penalty or a network with its settings, as kernels are in scikit-learn.

    It has `get_params` and `set_params`, is cloned with its estimator and searched
    through it (``corruption__scale``). It holds nothing that a fit learns.
    """

    _parameter_constraints: dict = {}

    def _stored_attributes(self):
        """Return the attributes, dict: what is stored where it stands in an estimator."""
        return dict(vars(self))

    def __getstate__(self):
        # Most settings hold numbers and words, and are stored as scikit-learn's objects.
        state = super().__getstate__()
        if not _holds_tensors(state):
            return state
        return {STORED: pack(state, {}, type(self).__name__)}

    def __setstate__(self, state):
        if isinstance(state, dict) and STORED in state:
            state = unpack(state[STORED], {}, type(self).__name__)
        for name in state:
            if callable(getattr(type(self), name, None)):
                raise ValueError(
                    f"{type(self).__name__} cannot be read: it stores a {name!r} of its own. "
                    "The file was damaged or altered; store the object again."
                )
        super().__setstate__(state)

    def structure(self):
        """Return what the weights of a fitted network depend on, to be compared.

        A class that a parameter may ask for by name has a `name`, which is not inherited.
        """
        return vars(type(self)).get("name", repr(self))

    def check(self):
        """Raise unless the settings are what `_parameter_constraints` allows."""
        self._validate_params()


def _holds_tensors(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return any(map(_holds_tensors, value))
    return isinstance(value, (torch.Tensor, torch.nn.Module))


class ListsOfSettings:
    """Access to the objects in a list, by their numbers: ``penalties__0__weight``.

    A mixin of estimators: what `get_params` and `set_params` do for an object that stands in
    a parameter, they do for objects in a list or tuple there. ``penalties__0`` is the first.
    """

    def get_params(self, deep=True):
        """Return the parameters of the estimator.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return those of the objects in its parameters as well.

        Returns
        -------
        params : dict
        """
        params = super().get_params(deep=deep)
        for name, value in list(params.items()) if deep else ():
            for number, item in enumerate(
                value if isinstance(value, (list, tuple)) else ()
            ):
                if hasattr(item, "get_params") and not isinstance(item, type):
                    prefix = f"{name}__{number}"
                    of_item = item.get_params().items()
                    params[prefix] = item
                    params |= {f"{prefix}__{key}": setting for key, setting in of_item}
        return params

    def set_params(self, **params):
        """Set parameters of the estimator, and of the objects in its parameters.

        Parameters
        ----------
        **params : dict

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If there is no parameter, or no object in a list, of that name or number.
        """
        super().set_params(**{key: params[key] for key in params if "__" not in key})
        others = {}
        # Objects come before what is set in them.
        for key in sorted(key for key in params if "__" in key):
            name, _, of_item = key.partition("__")
            if isinstance(getattr(self, name, None), (list, tuple)):
                self._set_in_list(name, of_item, params[key])
            else:
                others[key] = params[key]
        super().set_params(**others)
        return self

    def _set_in_list(self, name, of_item, value):
        items = list(getattr(self, name))
        number, _, setting = of_item.partition("__")
        known = [str(i) for i, item in enumerate(items) if hasattr(item, "set_params")]
        if number not in known:
            numbers = f"numbers {', '.join(known)}" if known else "none that has any"
            raise ValueError(
                f"Invalid parameter {name}__{of_item} for {type(self).__name__}: {name}="
                f"{items!r} is a list, whose objects have parameters by their number, as "
                f"in {name}__0__weight; it holds {numbers}."
            )
        if setting:
            items[int(number)].set_params(**{setting: value})
            return
        items[int(number)] = value
        setattr(self, name, type(getattr(self, name))(items))
