"""Copies of models in float64, kept until the models change."""

import copy
import weakref

# A copy of more weights than this is not kept: beside its use it costs little to make.
MAX_WEIGHTS = 10_000_000
# Attributes of these types are compared by value.
PLAIN = (int, float, str, type(None))

# Beside the models, not inside: a copy is not pickled, cloned or moved along.
_COPIES: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def in_float64(model):
    """Return a copy of a model in float64, ready for inference.

    It is the one of the last call if nothing has changed.

    Weights and buffers may change in place, or be replaced, as may what stands in
    attributes; of what an attribute's object holds itself `forget` has to tell.
    """
    state, kept = _state(model), _COPIES.get(model)
    if kept is not None and kept[0] == state:
        return kept[1]
    state = _state(model.eval())
    if kept is not None and kept[0] == state:
        return kept[1]
    double = copy.deepcopy(model).double()
    double.zero_grad()
    if sum(weight.numel() for weight in model.parameters()) <= MAX_WEIGHTS:
        _COPIES[model] = state, double
    return double


def forget(model):
    """Let go of the copy of a model that changes."""
    _COPIES.pop(model, None)


def _state(model):
    """Return what differs once a model has changed, and holds none of the model."""
    state: list = []
    for module in model.modules():
        own = vars(module)
        state += [
            value if isinstance(value, PLAIN) else id(value)
            for name, value in own.items()
            if name[0] != "_"  # torch's own
        ]
        for tensor in (*own["_parameters"].values(), *own["_buffers"].values()):
            if tensor is not None:
                version = None if tensor.is_inference() else tensor._version
                state.append((id(tensor), tensor.data_ptr(), version))
    return state
