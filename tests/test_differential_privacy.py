"""Differentially private training: what a row can do, what is spent, what is learned."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from skae import AutoencoderTransformer, VAETransformer, privacy
from skae.privacy import fit_privately
from skae.training.private_descent import Opacus

BOUNDS = {"age": (18, 90), "income": (0.0, 60.0), "job": ["nurse", "clerk"]}


def _draw(n_rows=600):
    rng = np.random.default_rng(0)
    age = rng.normal(40.0, 10.0, n_rows).clip(18, 90).round()
    income = (0.5 * age + rng.normal(0.0, 3.0, n_rows)).clip(0, 60)
    job = np.where(age + rng.normal(0.0, 5.0, n_rows) > 45, "nurse", "clerk")
    return pd.DataFrame({"age": age.astype(int), "income": income, "job": job})


def _fit(rows, epsilon=3.0, bounds=BOUNDS, max_grad_norm=1.0, **params):
    vae = VAETransformer(2, random_state=0, **params)
    with pytest.warns(UserWarning, match="makes the noise repeatable"):
        return fit_privately(
            vae, rows, bounds=bounds, epsilon=epsilon, max_grad_norm=max_grad_norm
        )


@pytest.fixture(scope="module")
def opacus():
    return pytest.importorskip("opacus", reason="Opacus is optional")


@pytest.fixture(scope="module")
def fitted(opacus):
    return _fit(_draw())


def test_fit_keeps_the_budget_and_learns(fitted):
    assert 2.9 < fitted.epsilon_ <= 3.0
    assert fitted.delta_ == 1e-5
    drawn = fitted.sample(2000, random_state=0)
    # Of rows made up within the bounds: 54 and 30, without any relation.
    assert drawn["age"].mean() == pytest.approx(40.0, abs=4.0)
    assert drawn["income"].mean() == pytest.approx(20.0, abs=4.0)
    assert drawn[["age", "income"]].corr().iloc[0, 1] > 0.3
    assert drawn["age"].dtype == int


def test_smaller_budget_takes_more_noise(fitted):
    strong = _fit(_draw(), epsilon=0.5, max_iter=2)
    assert strong.epsilon_ <= 0.5
    assert strong.noise_multiplier_ > fitted.noise_multiplier_


class _WithoutNoise(Opacus):
    """Plain gradient descent with clipped gradients."""

    def __init__(self):
        super().__init__()
        make = self.optimizer
        self.calibrate = lambda **settings: 0.0
        self.accountant = lambda: SimpleNamespace(
            step=lambda **settings: None, get_epsilon=lambda delta: np.inf
        )
        self.optimizer = lambda of_fit, **settings: make(
            torch.optim.SGD(of_fit.param_groups[0]["params"], 1.0), **settings
        )


def _weights(rows, max_grad_norm):
    """Return the weights after one step down the gradient of all rows."""
    fitted = _fit(rows, max_grad_norm=max_grad_norm, batch_size=len(rows), max_iter=1)
    return torch.cat([p.detach().ravel() for p in fitted.net_.module_.parameters()])


def test_one_row_moves_the_weights_by_no_more_than_its_clipped_gradient(
    opacus, monkeypatch
):
    monkeypatch.setattr(privacy, "Opacus", _WithoutNoise)
    rows, other = _draw(), _draw()
    other.loc[0] = [10**6, -(10.0**6), "nurse"]  # beyond the bounds
    moved = {}
    for norm in (1e-3, 1e6):
        pair = (_weights(table, norm) for table in (rows, other))
        moved[norm] = torch.linalg.norm(next(pair) - next(pair)).item() * len(rows)
    assert 0 < moved[1e-3] <= 2e-3 * 1.001
    assert moved[1e6] > 1.0


def test_nothing_but_weights_depends_on_the_rows(fitted):
    rows = _draw()
    young = rows[rows["age"] < 40]
    other = _fit(young[young["job"] == "clerk"], max_iter=1)
    for name in ("center_", "scale_"):
        np.testing.assert_array_equal(
            getattr(other._table, name), getattr(fitted._table, name)
        )
    assert set(other.sample(200, random_state=0)["job"]) == {"nurse", "clerk"}
    assert other.loss_curve_ == []


@pytest.mark.parametrize("convert", [pl.from_pandas, lambda rows: rows])
def test_libraries_of_frames(opacus, convert):
    rows = convert(_draw(60))
    drawn = _fit(rows, max_iter=1).sample(3, random_state=0)
    assert type(drawn) is type(rows)
    assert list(drawn.columns) == list(rows.columns)


def test_drawn_numbers_lie_within_the_bounds(opacus):
    """Uniform rows, which a normal distribution takes beyond their range."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"age": rng.integers(18, 91, 60), "income": rng.uniform(0, 60, 60)})
    bounds = {name: BOUNDS[name] for name in rows}
    drawn = _fit(rows, bounds=bounds, max_iter=1).sample(2000, random_state=0)
    for name, (low, high) in bounds.items():
        assert drawn[name].between(low, high).all()
        assert (drawn[name] > high - 0.01 * (high - low)).mean() > 0.02


def test_dtypes_are_those_of_the_rows(opacus):
    rows = _draw(60).assign(often=True)
    rows = rows.astype({"age": "Int32", "job": "category", "often": "boolean"})
    drawn = _fit(rows, bounds={**BOUNDS, "often": [False, True]}, max_iter=1).sample(3)
    assert drawn.dtypes.astype(str).to_dict() == rows.dtypes.astype(str).to_dict()


@pytest.mark.parametrize("again", ["fit", "partial_fit", "warm start"])
def test_another_fit_does_not_claim_to_be_private(opacus, again):
    rows = _draw(100)
    fitted = _fit(rows, max_iter=1, sampler="codes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if again == "partial_fit":
            fitted.partial_fit(rows)
        else:
            fitted.set_params(warm_start=again == "warm start", max_iter=1).fit(rows)
    for name in ("epsilon_", "delta_", "noise_multiplier_"):
        assert not hasattr(fitted, name)


def test_arrays(opacus):
    X = _draw(60)[["age", "income"]].to_numpy()
    fitted = _fit(X, bounds={0: (18, 90), 1: (0, 60)}, max_iter=1)
    assert fitted.transform(X).shape == (60, 2)


def test_global_generator_stays_as_it_was(opacus):
    before = torch.random.get_rng_state()
    _fit(_draw(60), max_iter=1)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("bounds", "match"),
    [
        (
            {"income": (0, 60), "job": ["nurse", "clerk"]},
            r"'age' has no bounds.*\(low, high",
        ),
        ({**BOUNDS, "wage": (0, 1)}, r"\['wage'\], which X has not"),
        ({**BOUNDS, "age": (90, 18)}, "'age'.*the lower one first"),
        ({**BOUNDS, "age": (0, np.inf)}, "'age'.*finite"),
        ({**BOUNDS, "age": ["young"]}, r"'age'.*give \(low, high\)"),
        ({**BOUNDS, "job": (0, 1)}, "'job'.*a list of its levels"),
        ({**BOUNDS, "job": ["clerk"]}, "'job' holds 'nurse'.*replace it"),
    ],
)
def test_bounds_that_do_not_fit(bounds, match):
    with pytest.raises(ValueError, match=match):
        fit_privately(VAETransformer(2), _draw(60), bounds=bounds, epsilon=1.0)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"epsilon": 0}, "epsilon=0; give a finite number above 0"),
        ({"max_grad_norm": -1.0}, "max_grad_norm=-1.0"),
        ({"delta": 0.02}, "delta=0.02 with 60 rows.*below 1/60"),
    ],
)
def test_budgets_that_are_none(settings, match):
    settings = {"epsilon": 1.0, **settings}
    with pytest.raises(ValueError, match=match):
        fit_privately(VAETransformer(2), _draw(60), bounds=BOUNDS, **settings)


def test_dates_are_said_not_to_be_taken():
    rows = _draw(60).assign(day=pd.Timestamp("2024-01-01"))
    bounds = {**BOUNDS, "day": ("2020-01-01", "2025-01-01")}
    with pytest.raises(ValueError, match=r"'day' holds dates.*convert it to a number"):
        fit_privately(VAETransformer(2), rows, bounds=bounds, epsilon=1.0)


def test_what_cannot_be_private():
    rows = _draw(60)
    with pytest.raises(TypeError, match=r"AutoencoderTransformer; .* VAETransformer"):
        fit_privately(AutoencoderTransformer(2), rows, bounds=BOUNDS, epsilon=1.0)
    with pytest.raises(TypeError, match="give a dict"):
        fit_privately(VAETransformer(2), rows, bounds=None, epsilon=1.0)
    holed = rows.assign(income=rows["income"].mask(rows["age"] > 40))
    with pytest.raises(ValueError, match="'income' has missing cells; leave out"):
        fit_privately(VAETransformer(2), holed, bounds=BOUNDS, epsilon=1.0)


def test_losses_that_compare_rows(opacus):
    vae = VAETransformer(2, divergence="mmd")
    with pytest.raises(ValueError, match="divergence='mmd' compares rows"):
        fit_privately(vae, _draw(60), bounds=BOUNDS, epsilon=1.0)
