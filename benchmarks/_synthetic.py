"""What sampled rows are worth: told apart, trained on, too near to the rows of the fit."""

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.neighbors import NearestNeighbors


def moments_of(frame):
    return list(frame.select_dtypes("datetime"))


def moments_to_numbers(frame):
    """Return the frame with moments as seconds, for those that know numbers only."""
    epoch = pd.Timestamp(0)
    seconds = {
        name: (frame[name] - epoch).dt.total_seconds().round() for name in moments_of(frame)
    }
    return frame.assign(**seconds)


def like(frame, rows):
    """Return rows of numbers and text as the frame has them.

    Moments are moments, and numbers have the frame's decimals, which not all generators
    take care of.
    """
    rows = rows[list(frame)].copy()
    for name in frame:
        if name in moments_of(frame):
            rows[name] = pd.to_datetime(rows[name].round(), unit="s")
        elif pd.api.types.is_numeric_dtype(frame[name]):
            rows[name] = rows[name].astype(float).round(decimals(frame[name]))
        else:
            rows[name] = rows[name].astype(str)
    return rows


def decimals(column, most=6):
    """Return how many decimals the numbers of a column have, `most` at most."""
    for decimals in range(most):
        if np.allclose(column.round(decimals), column, rtol=0.0, atol=1e-9):
            return decimals
    return most


def trained_on(train, test, target):
    """Return the score on `test` of a forest that learned the target from `train`.

    AUROC of a category (one against the rest, the mean over classes), R2 of a number.
    """
    train, test = train.dropna(subset=target), test.dropna(subset=target)
    is_category = not pd.api.types.is_numeric_dtype(test[target])
    inputs = [name for name in test if name != target]
    both = pd.concat([train[inputs], test[inputs]], ignore_index=True)
    for name in inputs:
        if not pd.api.types.is_numeric_dtype(both[name]):
            both[name] = both[name].astype(str).astype("category").cat.codes
    learned, asked = both[: len(train)], both[len(train) :]
    if not is_category:
        forest = RandomForestRegressor(random_state=0, min_samples_leaf=2)
        forest.fit(learned, train[target].astype(float))
        return float(r2_score(test[target].astype(float), forest.predict(asked)))
    forest = RandomForestClassifier(random_state=0, min_samples_leaf=2)
    forest.fit(learned, train[target].astype(str))
    chances = pd.DataFrame(forest.predict_proba(asked), columns=forest.classes_)
    truth = test[target].astype(str)
    # A class that was never sampled has no chance, and is told as well as by guessing.
    aurocs = [
        roc_auc_score(truth == name, chances[name]) if name in chances else 0.5
        for name in truth.unique()
    ]
    return float(np.mean(aurocs))


def nearer_to_training(train, test, rows):
    """Return which fraction of the rows is nearer to a training row than to a held-out one.

    Numbers in standard deviations, two levels of a category at a distance of 1, and so a
    number and a missing one, besides that of the number to the mean; 0.5 is what new rows
    of the same distribution have. Both tables need equally many rows.
    """
    n_rows = min(len(train), len(test))
    tables = train[:n_rows], test[:n_rows], rows
    both = pd.concat([table[list(train)] for table in tables], ignore_index=True)
    numbers = [name for name in train if pd.api.types.is_numeric_dtype(train[name])]
    scaled = (both[numbers] - train[numbers].mean()) / train[numbers].std().replace(0, 1)
    levels = [
        pd.get_dummies(both[name].astype(str), dtype=float).to_numpy() / np.sqrt(2)
        for name in both.columns.difference(numbers)
    ]
    scaled = scaled.to_numpy(float)
    design = np.hstack([np.nan_to_num(scaled), np.isnan(scaled), *levels])
    own, others, new = design[:n_rows], design[n_rows : 2 * n_rows], design[2 * n_rows :]
    to_own, to_others = (
        NearestNeighbors(n_neighbors=1).fit(table).kneighbors(new)[0][:, 0]
        for table in (own, others)
    )
    return float(np.mean(to_own < to_others) + np.mean(to_own == to_others) / 2)
