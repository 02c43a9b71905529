"""What generated rows are worth for learning."""

from typing import Literal, NamedTuple

import numpy as np
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions, validate_params

from skae._parameters import RandomState
from skae._typing import Table
from skae._warnings import warn
from skae.metrics._boosting import design_of, make_boosting
from skae.metrics._columns import read_columns
from skae.training.generators import MAX_SEED


class TrainOnSyntheticScore(NamedTuple):
    """Scores on real rows of what was trained on synthetic and on real ones.

    Attributes
    ----------
    synthetic : float
        The score after training on synthetic rows.
    real : float
        The score after training on real rows.
    ratio : float
        ``synthetic / real``; NaN if `real` is not positive.
    """

    synthetic: float
    real: float
    ratio: float


@validate_params(
    {
        "task": [StrOptions({"auto", "classification", "regression"})],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def train_on_synthetic_score(
    real_train: Table,
    synthetic: Table,
    real_test: Table,
    target: str | int,
    *,
    task: Literal["auto", "classification", "regression"] = "auto",
    random_state: RandomState = None,
) -> TrainOnSyntheticScore:
    """Return how well what is trained on synthetic rows predicts real ones.

    "Train on synthetic, test on real": gradient boosting learns to predict one column from
    the others, once from the synthetic and once from the real training rows, and both are
    scored on the same real rows, which neither has seen.

    Parameters
    ----------
    real_train : data frame, array-like or sparse matrix of shape (n_train, n_features)
        Real rows, those that the generator was fitted to.
    synthetic : data frame, array-like or sparse matrix of shape (n_synthetic, n_features)
        Generated rows with the same columns. Of as many as the real ones less can be learned
        than of these, whatever the generator; ten times as many say what it knows.
    real_test : data frame, array-like or sparse matrix of shape (n_test, n_features)
        Other real rows.
    target : str or int
        The column to predict: its label, or of arrays its position. Rows in which it is
        missing are left out.
    task : {"auto", "classification", "regression"}, default="auto"
        "auto": classification if the target holds levels (text, categories, booleans) or
        two different numbers, else regression.
    random_state : int, RandomState instance or None, default=None
        Seeds the boosters.

    Returns
    -------
    scores : TrainOnSyntheticScore
        A named tuple (synthetic, real, ratio). Of classes the area under the ROC curve,
        the mean over the classes of `real_test`, each against the rest; of numbers R². A
        ratio near 1: the synthetic rows are as good for learning as the real ones.

    Raises
    ------
    ValueError
        If the columns of the tables differ, there is no such target, no other column, or
        a table holds no row with the target, or `real_test` a single class or number; if
        the target's levels are to be regressed, or numbers that are not whole classified.

    Warns
    -----
    UserWarning
        If the score after training on real rows is not positive: then the other columns
        say nothing of the target, and the ratio is NaN.

    References
    ----------
    Esteban, Hyland & Rätsch, Real-valued (Medical) Time Series Generation with Recurrent
    Conditional GANs, 2017, section 4.2.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import train_test_split
    >>> from skae import VAETransformer
    >>> from skae.metrics import train_on_synthetic_score
    >>> iris = load_iris(as_frame=True).frame.replace({"target": {0: "a", 1: "b", 2: "c"}})
    >>> train, test = train_test_split(iris, random_state=0)
    >>> vae = VAETransformer(4, max_iter=60, random_state=0).fit(train)
    >>> rows = vae.sample(500, random_state=0)
    >>> scores = train_on_synthetic_score(train, rows, test, "target", random_state=0)
    >>> scores.ratio > 0.9
    True
    """
    columns = read_columns(real_train=real_train, synthetic=synthetic, real_test=real_test)
    goal = _find(columns, target)
    others = [column for column in columns if column is not goal]
    if not others:
        raise ValueError(
            f"target={target!r} is the only column, so that there is nothing to predict it "
            "from; give more columns."
        )
    for table, cells in goal.parts.items():
        if np.isnan(cells).all():
            raise ValueError(
                f"{table} holds no row in which the target {target!r} is not missing; give "
                "rows with the target, or another target."
            )
    truth = goal["real_test"][~np.isnan(goal["real_test"])]
    if np.ptp(truth) == 0:
        raise ValueError(
            f"The target {target!r} has a single value in real_test, so that nothing can be "
            "scored; give more rows, or another target."
        )
    _check_task(task, goal)
    classes = task == "classification" or (task == "auto" and _holds_classes(goal))
    rng = check_random_state(random_state)
    seed = rng.randint(MAX_SEED)
    score = _score_classes if classes else _score_numbers
    design = {name: design_of(others, name) for name in goal.parts}
    of_synthetic, of_real = (
        score(make_boosting(others, classes, seed), design, goal, name)
        for name in ("synthetic", "real_train")
    )
    if of_real <= 0:
        warn(
            f"The score after training on real rows is {of_real:.3g}: the other columns say "
            f"nothing of {target!r}, and the ratio is NaN. Choose another target."
        )
    ratio = of_synthetic / of_real if of_real > 0 else float("nan")
    return TrainOnSyntheticScore(of_synthetic, of_real, ratio)


def _find(columns, target):
    names = [column.name for column in columns]
    if target in names:
        return columns[names.index(target)]
    is_position = isinstance(target, int | np.integer) and not isinstance(target, bool)
    if is_position and -len(names) <= target < len(names):
        return columns[target]
    raise ValueError(
        f"target={target!r} is not a column of real_train; its columns are {names}."
    )


def _check_task(task, column):
    """Raise unless what a column holds can be predicted by the task that is asked for."""
    if task == "regression" and not column.is_number:
        raise ValueError(
            f"task='regression', but the target {column.name!r} holds levels, such as "
            f"{column.levels[0]!r}; use task='classification' or 'auto'."
        )
    broken = column.joined[column.joined % 1 > 0] if column.is_number else np.empty(0)
    if task == "classification" and len(broken) and not _holds_classes(column):
        raise ValueError(
            f"task='classification', but the target {column.name!r} holds numbers that are "
            f"not whole, such as {broken[0]:g}; use task='regression' or 'auto', or make "
            "levels of them, for example by pandas.cut."
        )


def _holds_classes(column):
    if not column.is_number:
        return True
    there = column.joined
    return len(np.unique(there[~np.isnan(there)])) == 2


def _score_numbers(boosting, design, goal, table):
    """Return R² on the test rows after training on a table."""
    x, y = _with_target(design, goal, table)
    x_test, truth = _with_target(design, goal, "real_test")
    return float(r2_score(truth, boosting.fit(x, y).predict(x_test)))


def _score_classes(boosting, design, goal, table):
    """Return the mean area under the ROC curve, every class against the rest."""
    x, y = _with_target(design, goal, table)
    x_test, truth = _with_target(design, goal, "real_test")
    known, y = np.unique(y, return_inverse=True)
    if len(known) == 1:  # nothing to learn
        return 0.5
    probabilities = boosting.fit(x, y).predict_proba(x_test)
    areas = []
    for label in np.unique(truth):
        # A class that was not there to be learned is no likelier for one row than another.
        found = np.flatnonzero(known == label)
        of_class = probabilities[:, found[0]] if len(found) else np.zeros(len(truth))
        areas.append(roc_auc_score(truth == label, of_class))
    return float(np.mean(areas))


def _with_target(design, goal, table):
    there = ~np.isnan(goal[table])
    return design[table][there], goal[table][there]
