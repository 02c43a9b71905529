"""How much columns count, and columns that only number the rows."""

import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skae import AutoencoderTransformer, VAETransformer
from skae.metrics import reconstruction_r2

N = 200


def _frame(seed=0, **more):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(N, 3))
    columns = {
        "a": z[:, 0],
        "b": z[:, 0] + 0.1 * rng.normal(size=N),
        "c": z[:, 1],
        "d": z[:, 2],
        "kind": np.where(z[:, 1] > 0, "up", "down"),
    }
    return pd.DataFrame(columns | more)


def _keys(seed=1):
    return np.random.default_rng(seed).permutation(N) + 1


def _fit(frame, n_components=2, cls=AutoencoderTransformer, **params):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        params = {"max_iter": 6, "random_state": 0} | params
        model = cls(n_components, **params).fit(frame)
    told = [str(w.message) for w in caught if "tell rows apart" in str(w.message)]
    return model, told


def _r2(model, frame, name):
    rest = model.reconstruct(frame)[name] - frame[name]
    return 1.0 - rest.var() / frame[name].var()


def test_weight_says_which_column_takes_a_code(transformer):
    frame = _frame()
    more = {"sampler": "codes"} if transformer is VAETransformer else {}
    plain, _ = _fit(frame, cls=transformer, **more)
    weighed, _ = _fit(frame, cls=transformer, column_weight={"d": 30.0}, **more)
    assert _r2(plain, frame, "d") < 0.5
    assert _r2(weighed, frame, "d") > 0.8
    without, _ = _fit(frame, cls=transformer, column_weight={"a": 0.0, "b": 0}, **more)
    assert _r2(without, frame, "d") > 0.7
    assert abs(_r2(without, frame, "a")) < 0.2
    assert np.isfinite(without.score_samples(frame)).all()


def test_only_ratios_of_weights_matter():
    frame = _frame()
    codes = [
        _fit(frame, column_weight=weight)[0].transform(frame)
        for weight in (None, {name: 3.0 for name in frame}, [0.5] * 5)
    ]
    np.testing.assert_array_equal(codes[0], codes[1])
    np.testing.assert_array_equal(codes[0], codes[2])
    # Of a series the names count, not their order.
    by_name = pd.Series([1.0, 4.0, 1.0, 1.0, 1.0], list("acbd") + ["kind"])
    codes = [
        _fit(frame, column_weight=weight)[0].transform(frame)
        for weight in ({"c": 4.0}, [1, 1, 4, 1, 1], {2: 4.0}, by_name)
    ]
    for others in codes[1:]:
        np.testing.assert_array_equal(codes[0], others)


def test_start_is_pca_of_weighed_columns():
    X = _frame()[["a", "b", "c", "d"]].to_numpy()
    weights = np.array([1.0, 1.0, 5.0, 2.0])
    model = AutoencoderTransformer(
        2, hidden_layer_sizes=(), max_iter=1, column_weight=weights, random_state=0
    ).fit(X)
    x = (X - X.mean(axis=0)) / X.std(axis=0) * np.sqrt(weights)
    _, _, axes = np.linalg.svd(x, full_matrices=False)
    expected = x @ axes[:2].T @ axes[:2] / np.sqrt(weights)
    rows = model.reconstruct(X)
    found = (rows - X.mean(axis=0)) / X.std(axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_score_of_an_autoencoder_is_weighed_and_that_of_a_density_is_not():
    frame = _frame()
    model, _ = _fit(frame, column_weight={"kind": 0.0, "a": 3.0})
    rest = (model.reconstruct(frame)[list("abcd")] - frame[list("abcd")]) ** 2
    rest = rest / frame[list("abcd")].var(ddof=0)
    expected = -(rest * [3.0, 1.0, 1.0, 1.0]).sum(axis=1) / 6.0
    np.testing.assert_allclose(model.score_samples(frame), expected, rtol=1e-4)
    contributions = model.explain(frame[:5])
    np.testing.assert_allclose(contributions.sum(axis=1), -expected[:5], rtol=1e-3)
    assert not contributions["kind"].any()
    vae = {"cls": VAETransformer, "sampler": "codes", "max_iter": 2}
    weighed, _ = _fit(frame, column_weight={"d": 1.5}, **vae)
    plain, _ = _fit(frame, **vae)
    assert weighed.score(frame) == pytest.approx(plain.score(frame), abs=1.0)


def test_row_without_a_cell_that_counts_has_a_score():
    frame = _frame()
    frame.loc[3, ["a", "b", "c", "d"]] = np.nan
    model, _ = _fit(frame, column_weight={"kind": 0.0})
    assert np.isfinite(model.score_samples(frame)).all()


def test_a_series_by_tuples_is_read_by_these():
    labels = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "")])
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=labels)
    weight = pd.Series([9.0, 1.0, 1.0], index=labels[::-1])  # of ("b", "") first
    model = AutoencoderTransformer(1, column_weight=weight, max_iter=2, random_state=0)
    left = (model.fit(X).reconstruct(X) - X).pow(2).mean() / X.var()
    assert left.idxmin() == ("b", "")


def _numbered(labels):
    return _frame()[["a", "b", "c", "d"]].set_axis(labels, axis=1)


@pytest.mark.parametrize(
    ("labels", "weight"),
    [
        # Of a column that is called 30, which is third.
        ([10, 20, 30, 40], {30: 4.0}),
        ([10, 20, 30, 40], pd.Series({30: 4.0})),
        ([10, 20, 30, 40], pd.Series({40: 1.0, 30: 4.0, 20: 1.0, 10: 1.0})),
        ([10, 20, 30, 40], pd.Series([1.0, 1.0, 4.0, 1.0])),
        ([3, 1, 0, 2], {0: 4.0}),
        ([3, 1, 0, 2], pd.Series([4.0, 1.0], index=[0, 3])),
        # Of the column at place 2, where labels are no numbers.
        (list("abcd"), pd.Series([4.0, 1.0], index=[2, 0])),
        (list("abcd"), pd.Series([1.0, 1.0, 4.0, 1.0])),
        (list("abcd"), pl.Series([1.0, 1.0, 4.0, 1.0])),
        (None, pd.Series([4.0, 1.0], index=[2, 0])),
        (None, {2: 4.0}),
        (range(4), {-2: 4.0}),
    ],
)
def test_whole_numbers_are_labels_where_there_are_such(labels, weight):
    array = _numbered(list("abcd")).to_numpy()
    X = array if labels is None else _numbered(list(labels))
    expected, _ = _fit(array, column_weight=[1.0, 1.0, 4.0, 1.0])
    model, _ = _fit(X, column_weight=weight)
    np.testing.assert_array_equal(model.transform(X), expected.transform(array))


@pytest.mark.parametrize(
    ("labels", "weight", "message"),
    [
        ([10, 20, 30, 40], {1: 4.0}, r"names 1, but .* \[10, 20, 30, 40\]; give these"),
        ([3, 1, 0, 2], pd.Series([4.0, 1.0, 1.0, 1.0]), "may be the labels .* give a dict"),
        (list("abcd"), pd.Series([4.0, 1.0], index=["a", "a"]), "'a' more than once"),
        (list("abcd"), pd.Series([4.0, 1.0]), r"shape \(2,\), but X has 4 columns"),
    ],
)
def test_labels_that_are_not_clear_are_an_error(labels, weight, message):
    with pytest.raises(ValueError, match=message):
        AutoencoderTransformer(2, column_weight=weight).fit(_numbered(labels))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ({"rent": 2.0}, "names 'rent', which is not a column"),
        ({"a": -1.0}, "of 'a' is -1.0; give a finite number"),
        ({"a": np.nan}, "of 'a' is nan"),
        ({"a": np.inf}, "of 'a' is inf"),
        ({"a": "much"}, "of 'a' is 'much'"),
        ({"a": 10**400}, "of 'a' is 1000.*give a finite number"),
        ({9: 1.0}, "holds 9, but X has 5"),
        ({1.5: 1.0}, "names 1.5, which is not a column"),
        ({"a": 1.0, 0: 2.0}, "'a' twice"),
        ([1.0, 2.0], r"shape \(2,\), but X has 5 columns"),
        ([0.0] * 5, "No column is left"),
    ],
)
def test_bad_weights_are_an_error(weight, message):
    with pytest.raises(ValueError, match=message):
        AutoencoderTransformer(2, column_weight=weight).fit(_frame())


def test_weights_may_change_where_training_goes_on():
    frame = _frame()
    model, _ = _fit(frame, max_iter=20)
    assert _r2(model, frame, "d") < 0.5
    model.set_params(warm_start=True, column_weight={"d": 50.0}).fit(frame)
    assert _r2(model, frame, "d") > 0.5


# ---------------------------------------------------------------- columns that number rows


@pytest.mark.parametrize("name", ["Id", "PassengerId", "customer_id", "Unnamed: 0", "key"])
def test_a_column_of_keys_takes_no_code(name):
    frame = _frame(**{name: 37 * _keys()})
    model, (message,) = _fit(frame)
    assert name in message
    assert "take no code" in message
    assert abs(_r2(model, frame, name)) < 0.05
    assert _r2(model, frame, "a") > 0.8
    remedy = re.search(r"column_weight=(\{.*?\})", message).group(1)
    asked, told = _fit(frame, 4, column_weight=eval(remedy))
    assert not told
    assert _r2(asked, frame, name) > 0.5


def test_numbers_that_follow_each_other_are_keys_unless_they_go_with_a_column():
    frame = _frame(place=_keys())
    assert _fit(frame)[1]
    ranked = frame.assign(place=frame["c"].rank().astype(int))
    assert not _fit(ranked)[1]
    blocks = pd.DataFrame({"place": np.arange(N), "kind": np.repeat(["x", "y"], N // 2)})
    assert not _fit(blocks, 1)[1]
    alone = pd.DataFrame({"place": np.arange(N)})
    assert not _fit(alone, 1)[1]


@pytest.mark.parametrize(
    "more",
    [
        {"Id": _keys() % 50},  # recur
        {"Id": _keys() + 0.5},  # no whole numbers
        {"width": 3 * _keys()},  # neither named so nor in succession
        {"humid": 3 * _keys()},
    ],
)
def test_other_numbers_are_no_keys(more):
    assert not _fit(_frame(**more))[1]


def test_a_matrix_has_no_keys():
    X = _frame(Id=_keys()).drop(columns="kind").to_numpy()
    model, told = _fit(X)
    assert not told
    assert reconstruction_r2(model, X) > 0.5


def test_table_of_keys_only_is_refused():
    frame = pd.DataFrame({"Id": _keys(), "key": 5 * _keys(2)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the error says it all
        with pytest.raises(ValueError, match="No column is left") as told:
            AutoencoderTransformer(1).fit(frame)
    remedy = eval(re.search(r"column_weight=(\{.*?\})", str(told.value)).group(1))
    model, (message,) = _fit(frame, 1, column_weight=remedy)
    assert "'key'" in message
    assert _r2(model, frame, "Id") > 0.9


def test_columns_of_a_stream_stay_what_they_were():
    frame = _frame(Id=_keys())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stream = AutoencoderTransformer(2, random_state=0).partial_fit(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream.partial_fit(_frame(1, Id=np.arange(N) % 7))
    assert abs(_r2(stream, frame, "Id")) < 0.05
