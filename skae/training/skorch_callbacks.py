"""The parameter `callbacks`: what skorch's callbacks are refused, and what they need."""

from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EpochScoring,
    InputShapeSetter,
    LoadInitState,
    LRScheduler,
    PassthroughScoring,
    TrainEndCheckpoint,
    WandbLogger,
)
from torch.optim.lr_scheduler import LRScheduler as Policy

HOOKS = [name for name in vars(Callback) if name.startswith("on_")]
SCORERS = BatchScoring, EpochScoring, PassthroughScoring


def listed(callbacks):
    """Return the callbacks without their names: instances and classes."""
    if not callbacks or callbacks == "disable":
        return []
    alone = [item[1] if isinstance(item, tuple | list) else item for item in callbacks]
    return [callback for callback in alone if callback is not None]


def has_instance(callbacks, cls):
    return any(_is(callback, cls) for callback in listed(callbacks))


def _is(callback, cls):
    return issubclass(callback if isinstance(callback, type) else type(callback), cls)


def check_callbacks(callbacks, *, held_out, learning_rate):
    """Raise if a callback could not do what it is for.

    Parameters
    ----------
    callbacks : list, "disable" or None
    held_out : str or None
        None where rows are held out, else what would hold some out.
    learning_rate : str or None
        None where the rate is constant, else what sets it, and the remedy.
    """
    for position, callback in enumerate(listed(callbacks)):
        _check_kind(position, callback)
        name = callback.__name__ if isinstance(callback, type) else type(callback).__name__
        if _is(callback, InputShapeSetter):
            raise ValueError(
                f"callbacks holds {name}, which builds a module anew; the network is as wide "
                "as the encoded table anyway. Leave it out; `network` chooses another network."
            )
        if learning_rate and _is(callback, LRScheduler):
            raise ValueError(f"callbacks holds {name}, but {learning_rate}.")
        needed = held_out and _held_out_need(callback)
        if needed:
            raise ValueError(
                f"callbacks holds {name}, which needs held-out rows ({needed}), and there "
                f"are none; {held_out}."
            )


def _check_kind(position, callback):
    if all(callable(getattr(callback, hook, None)) for hook in (*HOOKS, "initialize")):
        return
    hint = "see skorch.callbacks for those that there are"
    if hasattr(callback, "on_fit_task_begin"):
        hint = "callbacks of scikit-learn are set by set_callbacks"
    elif isinstance(callback, Policy) or _is(callback, Policy):
        hint = "a policy of the learning rate is given as LRScheduler(policy=...)"
    raise TypeError(f"callbacks[{position}]={callback!r} is no callback of skorch; {hint}.")


def _held_out_need(callback):
    """Return the setting by which a callback asks for held-out rows, or None."""
    if isinstance(callback, type):
        # By its defaults; a class that cannot be made without arguments skorch refuses.
        try:
            callback = callback()
        except TypeError:
            return None
    monitor = getattr(callback, "monitor", None)
    # Only one policy reads what LRScheduler monitors.
    read = not isinstance(callback, LRScheduler) or "Plateau" in str(callback.policy)
    if read and isinstance(monitor, str) and monitor.startswith("valid_"):
        return f"monitor={monitor!r}; 'train{monitor[5:]}' needs none"
    if isinstance(callback, WandbLogger) and callback.save_model:
        return "save_model=True"
    if isinstance(callback, SCORERS) and not callback.on_train:
        return "on_train=False"
    return None


def refuse_initial_state(callbacks):
    """Raise if networks of a detector would start from each other's weights."""
    if has_instance(callbacks, LoadInitState):
        raise ValueError(
            "callbacks of the detector's estimator hold LoadInitState: a network would start "
            "from weights that know the rows which it is to judge as fresh ones. Leave it out."
        )


def initialize_loaded(callbacks_):
    """Initialise a checkpoint that is given to `LoadInitState` only."""
    for _, callback in callbacks_:
        checkpoint = getattr(callback, "checkpoint", None)
        if isinstance(checkpoint, TrainEndCheckpoint) and not hasattr(
            checkpoint, "checkpoint_"
        ):
            checkpoint.initialize()


def best_loaded(net):
    """Return the epoch whose weights a callback loaded at the end of training, or None."""
    best = None
    for _, callback in net.callbacks_:
        if not getattr(callback, "load_best", False):
            continue
        if isinstance(callback, Checkpoint):
            event = callback.event_name
            saved = [i for i, epoch in enumerate(net.history, 1) if epoch.get(event)]
            best = saved[-1] if saved else best
        else:
            best = getattr(callback, "best_epoch_", None) or best
    return best
