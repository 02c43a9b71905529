"""Searches in several processes, which are started once for all of these tests."""

import numpy as np
import pytest
from registry import make
from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import EarlyStopping, EpochTimer, TensorBoard
from writers import Writer


def test_grid_search_in_workers_agrees_with_one_process(X):
    grid, estimator = {"n_components": [1, 2]}, make("AutoencoderTransformer")
    one, two = (
        GridSearchCV(estimator, grid, cv=2, n_jobs=n_jobs)
        .fit(X)
        .cv_results_["mean_test_score"]
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_bar_through_a_grid_search(X, n_jobs, capsys):
    pytest.importorskip("rich")
    estimator = make("AutoencoderTransformer")
    search = GridSearchCV(estimator, {"n_components": [1, 2]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar()).fit(X)
    assert "GridSearchCV - fit" in capsys.readouterr().out


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_tensorboard_through_a_grid_search(X, tmp_path, n_jobs):
    tensorboard = TensorBoard(Writer(str(tmp_path)))
    callbacks = [tensorboard, ("early", EarlyStopping(patience=9, sink=lambda text: None))]
    estimator = make(
        "AutoencoderTransformer", callbacks=[*callbacks, EpochTimer], max_iter=6
    )
    search = GridSearchCV(estimator, {"n_components": [1, 2]}, cv=2, n_jobs=n_jobs).fit(X)
    lines = (tmp_path / "Loss-train_loss").read_text().splitlines()
    assert len(lines) == 6 * (2 * 2 + 1)
    assert float(lines[-1].split()[1]) == search.best_estimator_.loss_curve_[-1]
