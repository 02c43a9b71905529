"""How a call ends: right, refused by an error of ours, or wrong."""

import dis
import random
import re
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sklearn
import torch
from sklearn.exceptions import ConvergenceWarning

import skae
from fuzzing.kinds import MUST, NEVER
from fuzzing.laws import BrokenLawError
from fuzzing.reading import fingerprint, is_frame, labels_of

FINE, REFUSED, WRONG = "fine", "refused", "wrong"

SKAE, SKLEARN = (str(Path(package.__file__).parent) for package in (skae, sklearn))
RAISES = dis.opmap["RAISE_VARARGS"]
# What a message that is not about a column is about.
SUBJECTS = re.compile(
    r"\b(X|x|y|groups|frame|array|container|features?|feature names|Sample weights|"
    r"np\.matrix|Complex data|[a-z]+_[a-z_]+)\b",
    re.IGNORECASE,
)


@dataclass
class Ending:
    """How a call ended; `why` is the same for endings of one kind."""

    seed: int
    estimator: str
    library: str
    method: str
    change: str = ""
    outcome: str = FINE
    why: str = ""
    details: str = ""

    def is_wrong(self, why, error=None):
        self.outcome, self.why = WRONG, why
        if error is not None:
            self.details = "".join(traceback.format_exception(error))


def judge(ending, case, verdict, call, law, X):
    """Make a call with the rows X, and say in `ending` how it ended."""
    state, before = _state(), fingerprint(X)
    result, error, caught = _made(call)
    if error is not None:
        _judge_error(ending, case, verdict, error)
    changed = [name for name, value in _state().items() if value != state[name]]
    if fingerprint(X) != before:
        changed.append("the table")
    if ending.outcome == WRONG:
        return
    if changed:
        ending.is_wrong(f"{changed} changed")
    elif unwelcome := [w for w in caught if not _is_welcome(w)]:
        ending.is_wrong(_described(unwelcome[0]))
    elif error is None:
        _judge_result(ending, verdict, law, result)


def _made(call):
    """Return a call's result, its error and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        filters = list(warnings.filters)
        try:
            result, error = call(), None
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as raised:  # a panic of polars is no Exception
            result, error = None, raised
        if list(warnings.filters) != filters:
            error = error or AssertionError("the filters of warnings have changed")
    return result, error, caught


def _judge_error(ending, case, verdict, error):
    what = f"{type(error).__name__} {_place(error)}: {_kind_of_message(str(error))}"
    if isinstance(error, BrokenLawError):
        ending.is_wrong(f"law: {error}", error)
    elif not is_ours(error):
        ending.is_wrong(f"foreign {what}", error)
    elif not names_something(str(error), case.X):
        ending.is_wrong(f"names nothing: {what}", error)
    elif verdict == MUST:
        ending.is_wrong(f"refused what must be taken: {what}", error)
    else:
        ending.outcome, ending.why = REFUSED, what


def _judge_result(ending, verdict, law, result):
    if verdict == NEVER:
        ending.is_wrong("taken, though it must be refused")
        return
    try:
        law(result)
    except BrokenLawError as error:
        ending.is_wrong(f"law: {error}", error)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        ending.is_wrong(f"the result cannot be read: {type(error).__name__}", error)


def is_ours(error):
    """Whether a check of skae or scikit-learn raised an error, with `raise` and on purpose."""
    # A path of a table at which nothing is, is told as Python tells it.
    if not isinstance(error, (ValueError, TypeError, FileNotFoundError)):
        return False
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return code.co_code[trace.tb_lasti] == RAISES and code.co_filename.startswith(
        (SKAE, SKLEARN)
    )


def names_something(message, X):
    """Whether a message names a column or a parameter."""
    if re.match(r"(All c|C)olumns?,? ", message):
        labels = labels_of(X) if is_frame(X) else []
        names = [str(name) for name in labels] + ["x0", "x1", "x2", "x3", "x4", "x5"]
        return any(name in message or repr(name)[1:-1] in message for name in names)
    return bool(SUBJECTS.search(message))


def _place(error):
    """Return the last line of skae that an error passed."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(SKAE)]
    return " ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in own[-1:])


def _kind_of_message(message):
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d+|\[[^\]]*\]", "_", message)[:160]


def _is_welcome(warning):
    """Whether a warning is meant for users, and points at their line."""
    if not issubclass(warning.category, (UserWarning, ConvergenceWarning)):
        return False
    return str(warning.filename).startswith((str(Path(__file__).parent), SKLEARN))


def _described(warning):
    place = f"{Path(warning.filename).name}:{warning.lineno}"
    message = _kind_of_message(str(warning.message))
    return f"{warning.category.__name__} {place}: {message}"


def _state():
    """Return what a call must leave as it is."""
    numpy_state = np.random.get_state()  # noqa: NPY002
    return {
        "torch's generator": torch.get_rng_state().numpy().tobytes(),
        "numpy's generator": (numpy_state[1].tobytes(), numpy_state[2:]),
        "Python's generator": hash(random.getstate()),
        "the number of threads": torch.get_num_threads(),
        "torch's default dtype": torch.get_default_dtype(),
        "torch's gradient mode": torch.is_grad_enabled(),
        "numpy's error state": np.geterr(),
        "the filters of warnings": list(warnings.filters),
    }
