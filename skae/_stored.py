"""Pickling, copying and storing of estimators: plain state, and back."""

from numbers import Real

from skae.stored.packing import pack, unpack
from skae.table.weights import plain_weights
from skae.training.callback_copies import keep_portable

# Where the state has what a fit has learned.
STORED = "stored_"
# What scikit-learn keeps of an estimator beside its parameters and a fit.
OF_SKLEARN = "_metadata_requests", "_sklearn_output_config", "_skl_callbacks"
# The parameter that may be a dict from labels, of which skops knows text and numbers.
BY_LABELS = "column_weight"


def _has_labels(value):
    """Return whether a dict has keys that are neither text nor numbers, such as tuples."""
    return isinstance(value, dict) and not all(isinstance(k, str | Real) for k in value)


class StoredMixin:
    """State of builtins, arrays and parameters, whatever the estimator works with.

    Pickle, joblib, cloudpickle, dill, skops, `copy.deepcopy` and workers of joblib all ask
    for it. The attributes of a fit are described by `skae.stored`; parameters stand beside
    them as they are, so that skops lists the classes of those that are objects.
    """

    def _stored_attributes(self):
        """Return all attributes that are worth storing, dict."""
        state = dict(vars(self))
        if "callbacks" in state:
            state["callbacks"] = keep_portable(self.callbacks, tell=True)
        if BY_LABELS in state:
            # Safe files hold no series; whoever reads them may not have polars.
            state[BY_LABELS] = plain_weights(state[BY_LABELS])
        return state

    def __copy__(self):
        # Not by way of the state, which is a copy, and leaves out what cannot be pickled.
        copied = object.__new__(type(self))
        vars(copied).update(vars(self))
        return copied

    def __getstate__(self):
        state, beside = self._stored_attributes(), {}
        packed = [BY_LABELS] if _has_labels(state.get(BY_LABELS)) else []
        for name in (*self._get_param_names(), *OF_SKLEARN):
            if name in state and name not in packed:
                beside[name] = state.pop(name)
        return {**beside, STORED: pack(state, beside, type(self).__name__)}

    def __setstate__(self, state):
        name = type(self).__name__
        if not isinstance(state, dict) or not isinstance(state.get(STORED), dict):
            raise ValueError(
                f"{name} cannot be read: it was stored by a version of skae that did not "
                "say in which format, or was altered. Fit and store it again."
            )
        beside = {key: value for key, value in state.items() if key != STORED}
        allowed = {*self._get_param_names(), *OF_SKLEARN}
        if not set(beside) <= allowed:
            raise ValueError(
                f"{name} cannot be read: it has no parameter {min(set(beside) - allowed)!r}."
                " The file was damaged or altered; store the estimator again."
            )
        learned = unpack(state[STORED], beside, name)
        for key in learned:
            if key in allowed - {BY_LABELS} or callable(getattr(type(self), key, None)):
                raise ValueError(
                    f"{name} cannot be read: it stores a {key!r} of its own. The file was "
                    "damaged or altered; store the estimator again."
                )
        vars(self).update(beside | learned)
