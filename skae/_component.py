"""Small objects of parameters that stand in a parameter of an estimator."""

from sklearn.base import BaseEstimator


class Setting(BaseEstimator):
    """A noise, a penalty or a network with its settings, as kernels are in scikit-learn.

    It has `get_params` and `set_params`, is cloned with its estimator and searched
    through it (``corruption__scale``). It holds nothing that a fit learns.
    """

    _parameter_constraints: dict = {}

    def structure(self):
        """Return what the weights of a fitted network depend on, to be compared."""
        return repr(self)

    def check(self):
        """Raise unless the settings are what `_parameter_constraints` allows."""
        self._validate_params()


def name_of(setting, choices):
    """Return the name by which a dict of classes knows the class of a setting, or None."""
    names = (name for name, known in choices.items() if type(setting) is known)
    return next(names, None)
