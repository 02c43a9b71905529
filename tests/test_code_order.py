"""Codes in an order: what the first ones reconstruct, what they mean, and their signs."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skae import (
    AdversarialAutoencoderTransformer,
    AutoencoderTransformer,
    VAETransformer,
    VQVAETransformer,
)
from skae.display import CodeDisplay
from skae.display._tables import as_text
from skae.models.first_codes import loading_signs

ORDERED = {
    "AE": AutoencoderTransformer,
    "VAE": VAETransformer,
    "adversarial": AdversarialAutoencoderTransformer,
}


@pytest.fixture(scope="module")
def digits():
    X = load_digits().data
    X = X[:, X.std(axis=0) > 0.5]
    scaler = StandardScaler().fit(X[:500])
    return scaler.transform(X[:500]), scaler.transform(X[500:900])


@pytest.fixture(scope="module")
def ordered(digits):
    train, test = digits
    return AutoencoderTransformer(5, max_iter=40, random_state=0).fit(train, X_val=test)


@pytest.fixture(scope="module")
def flats():
    """A size that moves three columns, a price that moves two, and noise."""
    rng = np.random.default_rng(0)
    size, price = rng.normal(size=(2, 240))
    return pd.DataFrame(
        {
            "area": 80.0 + 25.0 * size,
            "rooms": 3.0 + size + 0.1 * rng.normal(size=240),
            "house": np.where(size > 0.3, "villa", "flat"),
            "rent": 900.0 + 100.0 * price,
            "built": pd.Timestamp("1990") + pd.to_timedelta((900 * price).round(), "D"),
        },
        index=[f"home {i}" for i in range(240)],
    )


@pytest.fixture(scope="module", params=sorted(ORDERED))
def fitted(request, flats):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        params = {"sampler": "codes", "prior": "normal"} if request.param == "VAE" else {}
        cls = ORDERED[request.param]
        return cls(2, max_iter=12, random_state=0, **params).fit(flats)


def _explained(rows, X):
    return 1.0 - np.square(rows - X).sum() / np.square(X).sum()


def test_first_codes_reconstruct_at_least_as_components_do(digits, ordered):
    train, test = digits
    gains = []
    for k in range(1, 6):
        pca = PCA(k).fit(train)
        components = pca.inverse_transform(pca.transform(test))
        codes = ordered.reconstruct(test, n_components=k)
        gains.append(_explained(codes, test) - _explained(components, test))
    assert min(gains) > -0.01
    assert min(gains[2:]) > 0.02


def test_first_codes_say_no_less_of_levels_than_none():
    """At its start the decoder is sure of levels, and wrong where a code is left out."""
    frame = pd.DataFrame({"sex": ["man"] * 175 + ["woman"] * 25})
    frame["survived"] = ["no"] * 118 + ["yes"] * 82
    fitted = AutoencoderTransformer(2, random_state=0).fit(frame)
    assert fitted.best_iter_ == 0
    assert fitted.explained_variance_ratio_.min() > -0.1
    assert fitted.explained_variance_ratio_.sum() > 0.95
    rows = fitted.reconstruct(frame, n_components=1)
    assert (rows == frame).mean().sum() >= 175 / 200 + 118 / 200
    pd.testing.assert_frame_equal(fitted.reconstruct(frame, n_components=2), frame)


def test_order_changes_no_reconstruction(digits, ordered):
    """The codes of the network itself, as it was trained, are decoded to the same rows."""
    _, test = digits
    model = ordered.net_.module_
    with torch.no_grad():
        design = ordered.to_design(test)
        direct = model.decoder.block(model.encoder.block(design))
        output = model(design)
    assert model.encoder.matrix is not None
    torch.testing.assert_close(output, direct, atol=1e-4, rtol=1e-4)


def test_codes_are_uncorrelated_and_spread_as_components(digits, ordered):
    train, _ = digits
    codes = ordered.transform(train)
    np.testing.assert_allclose(np.corrcoef(codes.T), np.eye(5), atol=1e-3)
    np.testing.assert_allclose(
        codes.std(axis=0), PCA(5).fit_transform(train).std(axis=0), rtol=1e-3
    )


def test_ratios_are_what_each_code_adds_on_held_out_rows(digits, ordered):
    _, test = digits
    sums = [
        _explained(ordered.reconstruct(test, n_components=k), test) for k in range(1, 6)
    ]
    np.testing.assert_allclose(
        np.cumsum(ordered.explained_variance_ratio_), sums, rtol=1e-3, atol=1e-4
    )


def test_others_are_what_the_first_codes_let_expect(digits, ordered):
    test, gains = digits[1], []
    for k in range(1, 5):
        codes = ordered.transform(test)
        codes[:, k:] = 0.0
        of_zeros = ordered.inverse_transform(codes)
        expected = ordered.reconstruct(test, n_components=k)
        gains.append(_explained(expected, test) - _explained(of_zeros, test))
    assert min(gains) > -0.01
    assert max(gains) > 0.03


def test_codes_that_are_left_out_are_not_looked_at(digits, ordered):
    model = ordered.net_.module_
    codes = torch.from_numpy(ordered.transform(digits[1])).float()
    others = torch.cat([codes[:, :2], codes[:, 2:].flip(0)], dim=1)
    with torch.no_grad():
        output, swapped = (model.decode_first(z, 2) for z in (codes, others))
    torch.testing.assert_close(output, swapped, atol=0.0, rtol=0.0)


def test_ratios_of_the_start_are_those_of_pca(digits):
    train, _ = digits
    start = AutoencoderTransformer(4, hidden_layer_sizes=(), max_iter=1, random_state=0)
    start.fit(train, X_val=train)
    expected = PCA(4).fit(train).explained_variance_ratio_
    np.testing.assert_allclose(start.explained_variance_ratio_, expected, atol=1e-3)


def test_first_codes_of_a_vae_say_at_least_as_much_as_components(digits):
    """Means of posteriors are drawn to 0, and what is decoded of them to the columns' means."""
    train, test = digits
    vae = VAETransformer(5, sampler="codes", max_iter=40, random_state=0)
    vae.fit(train, X_val=test)
    decoded = vae.inverse_transform(vae.transform(test))
    said = [vae.reconstruct(test, n_components=k) for k in range(1, 6)]
    assert vae.best_iter_ > 0
    assert _explained(said[-1], test) > _explained(decoded, test) + 0.003
    for k, rows in enumerate(said, start=1):
        pca = PCA(k).fit(train)
        components = pca.inverse_transform(pca.transform(test))
        assert _explained(rows, test) > _explained(components, test) - 0.005


@pytest.mark.parametrize("n_components", [1, 4])
def test_first_codes_of_the_start_of_a_vae_are_principal_components(digits, n_components):
    train, test = digits
    start = VAETransformer(
        n_components, sampler="codes", hidden_layer_sizes=(), max_iter=1, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that no epoch was better
        start.fit(train, X_val=test)
    assert start.best_iter_ == 0
    for k in range(1, n_components + 1):
        pca = PCA(k).fit(train)
        components = pca.inverse_transform(pca.transform(test))
        rows = start.reconstruct(test, n_components=k)
        np.testing.assert_allclose(rows, components, atol=1e-3)


def test_cells_that_are_missing_do_not_correct_what_is_decoded(flats):
    """They are filled with the mean, which the decoder knows better than."""
    rng = np.random.default_rng(1)
    numbers = flats[["area", "rooms", "rent"]].astype(float)
    noise = 0.3 * numbers.std().to_numpy() * rng.normal(size=numbers.shape)
    more = pd.concat([numbers + noise] * 3)
    holed = more.mask(rng.random(more.shape) < 0.3)
    params = {"max_iter": 30, "refit": False, "random_state": 0}
    vae = VAETransformer(2, sampler="codes", **params).fit(holed)
    rows = vae.reconstruct(more, n_components=2)
    slopes = [np.polyfit(rows[name], more[name], 1)[0] for name in ("area", "rent")]
    np.testing.assert_allclose(slopes, 1.0, atol=0.1)


def test_ratios_of_a_refit_are_of_rows_that_were_held_out(flats):
    params = {"max_iter": 12, "random_state": 0}
    refitted = AutoencoderTransformer(2, refit=True, **params).fit(flats)
    chosen = AutoencoderTransformer(2, refit=False, **params).fit(flats)
    np.testing.assert_allclose(
        refitted.explained_variance_ratio_, chosen.explained_variance_ratio_, atol=0.005
    )


def test_first_code_tells_the_most(fitted, flats):
    """Three of five columns go with the size."""
    codes = fitted.transform(flats)
    assert abs(np.corrcoef(codes[:, 0], flats["area"])[0, 1]) > 0.8
    assert fitted.explained_variance_ratio_[0] > fitted.explained_variance_ratio_[1] > 0.05
    assert fitted.explained_variance_ratio_.sum() < 1.0


def test_signs_are_those_of_the_largest_loadings(fitted, flats):
    x = fitted.to_design(flats).cpu().numpy()[:, : fitted._table.design_.n_outputs]
    codes = fitted.transform(flats)
    loadings = (codes - codes.mean(axis=0)).T @ x
    largest = np.abs(loadings) >= 0.9 * np.abs(loadings).max(axis=1, keepdims=True)
    assert ((loadings > 0) & largest).any(axis=1).all()


def test_arranged_codes_are_those_of_every_part(fitted, flats):
    """`transform`, `encoder_` on `to_design`, pickles and reconstructions agree."""
    model = fitted.net_.module_
    model = pickle.loads(pickle.dumps(fitted)).net_.module_
    codes = fitted.transform(flats)
    order, signs = torch.tensor([1, 0]), torch.tensor([-1.0, 1.0])
    moved = pickle.loads(pickle.dumps(fitted))
    for _ in range(2):  # an arrangement on top of another
        moved.net_.module_.rearrange(order, signs)
    np.testing.assert_allclose(moved.transform(flats), -codes, atol=1e-5)
    moved.net_.module_.rearrange(order, signs)
    twice = moved.transform(flats)
    np.testing.assert_allclose(twice, np.c_[codes[:, 1], -codes[:, 0]], atol=1e-5)
    restored = pickle.loads(pickle.dumps(moved))
    np.testing.assert_allclose(restored.transform(flats), twice, atol=1e-6)
    with torch.no_grad():
        output = moved.encoder_(moved.to_design(flats))[:, :2].cpu().numpy()
        decoded = moved.decoder_(torch.from_numpy(twice).float()).cpu().numpy()
        whole = model.decode(torch.from_numpy(codes).float()).cpu().numpy()
    np.testing.assert_allclose(output, twice, atol=1e-4)
    np.testing.assert_allclose(decoded, whole, atol=1e-4)
    np.testing.assert_allclose(
        moved.score_samples(flats), fitted.score_samples(flats), rtol=0.02, atol=0.02
    )


def test_training_goes_on_with_arranged_codes(fitted, flats):
    more = pickle.loads(pickle.dumps(fitted)).set_params(warm_start=True, max_iter=2)
    more.net_.module_.rearrange(torch.tensor([1, 0]), torch.tensor([-1.0, 1.0]))
    before = more.score(flats)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        more.fit(flats)
    assert more.score(flats) > before - 0.1 * abs(before)


def test_a_stream_keeps_its_codes(flats):
    stream = AutoencoderTransformer(2, random_state=0)
    for _ in range(2):
        stream.partial_fit(flats)
        assert stream.explained_variance_ratio_.shape == (2,)
    assert stream.net_.module_.encoder.matrix is None


def test_codes_of_weights_that_were_loaded_have_no_order(flats):
    fitted, other = (
        AutoencoderTransformer(2, max_iter=n, random_state=0).fit(flats) for n in (2, 8)
    )
    weights = {
        name: value.clone() for name, value in other.net_.module_.state_dict().items()
    }
    fitted.net_.module_.load_state_dict(weights)
    pd.testing.assert_frame_equal(
        fitted.reconstruct(flats), other.reconstruct(flats), rtol=1e-4
    )
    with pytest.raises(ValueError, match="weights were loaded into net_ after fit"):
        fitted.reconstruct(flats, n_components=1)
    fitted.set_params(warm_start=True).fit(flats)
    fitted.reconstruct(flats, n_components=1)


@pytest.mark.parametrize("n_components", [0, 3, 1.5, "all"])
def test_bad_number_of_codes_is_an_error(flats, n_components):
    model = AutoencoderTransformer(2, max_iter=1, random_state=0).fit(flats)
    with pytest.raises(ValueError, match="whole number from 1 to 2"):
        model.reconstruct(flats, n_components=n_components)


def test_codes_of_a_codebook_have_no_order(flats):
    model = VQVAETransformer(2, max_iter=1, random_state=0).fit(flats)
    with pytest.raises(ValueError, match="VQVAETransformer have no order"):
        model.reconstruct(flats, n_components=1)


def test_sign_of_two_levels_is_that_of_the_first():
    x = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(5, 1)
    codes = torch.stack([-x[:, 0], x[:, 0], 0 * x[:, 0]], dim=1)
    for last_digits in (1.0, 1.0 + 1e-6):
        scaled = x * torch.tensor([1.0, last_digits])
        assert loading_signs(codes, scaled).tolist() == [-1.0, 1.0, 1.0]


# ---------------------------------------------------------------- what codes mean


def test_first_codes_are_not_surer_of_levels_than_they_may_be():
    """All three codes tell each of 64 combinations, to which one alone says little."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({name: rng.choice(list("abcd"), 400) for name in "xyz"})
    ratios = AutoencoderTransformer(3, random_state=0).fit(rows).explained_variance_ratio_
    assert ratios.sum() > 0.6
    assert (ratios.cumsum() > -0.01).all()


@pytest.fixture(scope="module")
def described(flats):
    model = AutoencoderTransformer(2, max_iter=12, random_state=0).fit(flats)
    return model, model.describe_codes(flats, n_examples=2)


def test_codes_are_described_by_what_they_move(described, flats):
    description = described[1]
    by_code = dict(iter(description.groupby("code")))
    first, second = (part.set_index(["column", "level"]) for part in by_code.values())
    assert set(by_code[0]["column"]) == set(flats)
    effect = abs(first.loc[("area", None), "effect"])
    assert effect > 0.7
    assert abs(first.loc[("rent", None), "effect"]) < effect
    assert abs(second.loc[("rent", None), "effect"]) > 0.7
    levels = first.loc["house", "effect"]
    assert levels.sum() == pytest.approx(0.0, abs=1e-6)
    assert levels["villa"] * first.loc[("area", None), "effect"] > 0.05
    for part in by_code.values():
        sizes = part["effect"].abs().to_numpy()
        assert (np.diff(sizes) <= 0).all()


def test_described_ends_are_decoded_cells(described, flats):
    model, description = described
    codes = model.transform(flats)
    ends = np.tile(np.median(codes, axis=0), (2, 1))
    ends[:, 1] = np.quantile(codes[:, 1], [0.05, 0.95])
    rows = model.inverse_transform(ends)
    second = description[description["code"] == 1].set_index("column")
    assert second.loc["rent", ["low", "high"]].tolist() == pytest.approx(
        rows["rent"].tolist(), rel=1e-6
    )
    assert second.loc["built", ["low", "high"]].tolist() == rows["built"].tolist()
    order = np.argsort(codes[:, 1])
    assert second["low_rows"].iloc[0] == flats.index[order[:2]].tolist()
    assert second["high_rows"].iloc[0] == flats.index[order[::-1][:2]].tolist()


def test_description_of_another_library_is_the_same(described, flats):
    model, description = described
    other = model.describe_codes(pl.from_pandas(flats), n_examples=2)
    pd.testing.assert_frame_equal(
        other.drop(columns=["low_rows", "high_rows", "low", "high"]),
        description.drop(columns=["low_rows", "high_rows", "low", "high"]),
    )
    first = int(other["low_rows"].iloc[0][0])
    assert flats.index[first] == description["low_rows"].iloc[0][0]


@pytest.mark.parametrize("n_rows", [2, 3, 200])
def test_effects_see_jumps_between_codes(n_rows):
    """Codes of two levels lie apart, and small steps from them change nothing."""
    kind = np.where(np.arange(n_rows) % 2, "b", "a")
    X = pd.DataFrame({"kind": kind, "same": kind})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AutoencoderTransformer(1, max_iter=5, random_state=0).fit(X)
    said = model.describe_codes(X).set_index(["column", "level"])["effect"]
    codes = model.transform(X)[:, 0]
    # The whole way from one level to the other, by as many deviations.
    expected = codes.std() / np.ptp(codes) * np.sign(codes[1] - codes[0])
    for column in X:
        assert said[column, "b"] == pytest.approx(expected, rel=0.02)
        assert said[column, "a"] == pytest.approx(-expected, rel=0.02)


def test_effects_of_a_linear_model_are_its_slopes():
    X = load_digits().data[:300, 2:7]
    model = AutoencoderTransformer(2, max_iter=1, learning_rate_init=1e-9, random_state=0)
    codes = model.fit(X).transform(X)
    step = np.diag(codes.std(axis=0))
    middle = np.tile(np.median(codes, axis=0), (2, 1))
    change = model.inverse_transform(middle + step) - model.inverse_transform(middle)
    description = model.describe_codes(X)
    for code, part in description.groupby("code"):
        found = part.set_index("column")["effect"][[f"x{i}" for i in range(5)]]
        np.testing.assert_allclose(found, change[code] / X.std(axis=0), atol=1e-4)


@pytest.mark.parametrize(
    "labels", [[3, 5], [("a", "x"), ("a", "y")], list(pd.date_range("2024", periods=2))]
)
def test_columns_are_described_by_their_labels(labels):
    x = np.random.default_rng(0).normal(size=60)
    X = pd.DataFrame(np.column_stack([x, -x]), columns=pd.Index(labels))
    model = AutoencoderTransformer(1, max_iter=2, random_state=0).fit(X)
    description = model.describe_codes(X)
    assert sorted(description["column"]) == labels
    spreads = [X[label].std() for label in description["column"]]
    assert len(spreads) == 2
    bars = CodeDisplay.from_predictions(description).axes_[0].get_yticklabels()
    assert {bar.get_text() for bar in bars} == {as_text(label) for label in labels}


def test_dates_are_described_in_their_zone():
    rng = np.random.default_rng(0)
    z = rng.normal(size=200)
    days = pd.Timestamp("2024-03-01", tz="Asia/Tokyo") + pd.to_timedelta(z.round(), "D")
    X = pd.DataFrame({"day": days, "z": z})
    model = AutoencoderTransformer(1, max_iter=2, random_state=0).fit(X)
    for rows in X, pl.from_pandas(X):
        said = model.describe_codes(rows).set_index("column").loc["day"]
        for end in said["low"], said["high"]:
            assert str(end.tz) == "Asia/Tokyo"
            assert end == end.normalize()


def test_description_of_rare_levels_and_missing_cells():
    rng = np.random.default_rng(0)
    z = rng.normal(size=200)
    frame = pd.DataFrame(
        {
            "z": z,
            "pool": np.where(z > 0, z, np.nan),
            "town": [f"t{i % 40}" if i % 3 else "big" for i in range(200)],
            "empty": np.nan,
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AutoencoderTransformer(
            1, missing={"pool": "level"}, max_categories=3, max_iter=8, random_state=0
        ).fit(frame)
    description = model.describe_codes(frame)
    assert set(description["column"]) == {"z", "pool", "town"}
    assert "missing" in set(description["level"])
    assert any("rare levels" in str(level) for level in description["level"])
    assert np.isfinite(description["effect"]).all()


@pytest.mark.parametrize(
    ("rows", "params", "message"),
    [(slice(1), {}, "one row"), (slice(9), {"n_examples": -1}, "n_examples=-1")],
)
def test_what_cannot_be_described_is_an_error(described, flats, rows, params, message):
    with pytest.raises(ValueError, match=message):
        described[0].describe_codes(flats.iloc[rows], **params)


def test_posteriors_are_the_encoders(flats):
    vae = VAETransformer(2, sampler="codes", max_iter=4, random_state=0).fit(flats)
    with torch.no_grad():
        mean, log_variance = vae.encoder_(vae.to_design(flats)).double().chunk(2, dim=1)
    variances = vae.posterior_variances(flats)
    np.testing.assert_allclose(variances, log_variance.exp().numpy(), rtol=1e-3)
    expected = 0.5 * (mean**2 + log_variance.exp() - 1.0 - log_variance)
    divergences = vae.code_divergences(flats)
    np.testing.assert_allclose(divergences, expected.numpy(), rtol=1e-2, atol=1e-4)
