"""Fitted estimators in files: what is read is what was stored, and nothing is run."""

import copy
import io
import json
import pickle
import warnings
from functools import cache
from pathlib import Path

import cloudpickle
import dill
import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import skops.io
import torch
from files.write import answers, rows_for
from fuzzing.files import MUTATIONS, forged, mutate, read, write
from registry import FITTED, OwnNoise, OwnPenalty, make
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops.io.exceptions import UntrustedTypesFoundException

import skae
from skae import (
    AEAnomalyDetector,
    AutoencoderTransformer,
    Convolutional,
    Modules,
    Recurrent,
)
from skae.stored import packing

TRUSTED = skae.trusted_types()
METHODS = "transform", "reconstruct", "score_samples", "pvalues"


@cache
def _rows(kind):
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 16))
    if kind == "numeric":
        return numbers
    frame = pd.DataFrame(numbers[:, :3], columns=["a", "b", "c"])
    frame["text"] = rng.choice(["x", "y", "z"], 60)
    frame["ordered"] = pd.Categorical(
        rng.choice(["low", "mid", "top"], 60), ["low", "mid", "top"], ordered=True
    )
    frame["count"] = pd.array(rng.integers(1, 6, 60), dtype="Int64")
    frame["day"] = pd.date_range("2024", periods=60, tz="Europe/Rome")
    frame["wait"] = pd.to_timedelta(rng.integers(1, 90, 60), "min")
    frame["flag"] = rng.random(60) < 0.3
    return frame.mask(rng.random(frame.shape) < 0.1)


@cache
def _fitted(name, kind):
    """An estimator, fitted once for many tests, which leave it as it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(name).fit(_rows(kind))


CASES = [(name, kind) for name in FITTED for kind in ("numeric", "mixed")]


def _answers(estimator, rows):
    answers = [getattr(estimator, m)(rows) for m in METHODS if hasattr(estimator, m)]
    if hasattr(estimator, "sample"):
        answers.append(estimator.sample(9, random_state=0))
    return answers


# Of what is fitted once for many tests, and not changed.
_known = cache(lambda name, kind: _answers(_fitted(name, kind), _rows(kind)))


def _assert_same(loaded, name, kind):
    _compare(_answers(loaded, _rows(kind)), _known(name, kind))


def _assert_alike(estimator, other, rows):
    _compare(_answers(estimator, rows), _answers(other, rows))


def _compare(answers, expected):
    for one, two in zip(answers, expected, strict=True):
        if isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, two, check_exact=True)
        elif isinstance(one, pa.Table | pl.DataFrame):
            assert one.equals(two)
        else:
            np.testing.assert_array_equal(one, two)


# ------------------------------------------------------------------ there and back


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_skops_gives_back_what_was_stored_and_trusts_nothing_else(name, kind):
    fitted = _fitted(name, kind)
    data = skops.io.dumps(fitted)
    assert set(skops.io.get_untrusted_types(data=data)) <= set(TRUSTED)
    _assert_same(skops.io.loads(data, trusted=TRUSTED), name, kind)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_pickles_hold_arrays_and_builtins_alone(name, kind):
    """No tensor, no frame: any machine, and other versions of these, can read them."""
    data = pickle.dumps(_fitted(name, kind))
    for package in (b"torch.", b"skorch", b"pandas", b"narwhals", b"pyarrow"):
        assert b"c" + package not in data
    assert b"_rebuild_" not in data
    assert b"_load_from_bytes" not in data
    _assert_same(pickle.loads(data), name, kind)


@pytest.mark.parametrize("name", ["VAETransformer", "AEAnomalyDetector", "GANSampler"])
@pytest.mark.parametrize(
    "way", ["joblib", "joblib mapped", "cloudpickle", "dill", "deepcopy", "save"]
)
def test_other_ways_give_back_what_was_stored(name, way, tmp_path):
    fitted, path = _fitted(name, "mixed"), tmp_path / "file"
    if way.startswith("joblib"):
        joblib.dump(fitted, path)
        loaded = joblib.load(path, mmap_mode="r" if way.endswith("mapped") else None)
    elif way == "save":
        skae.save(fitted, path)
        loaded = skae.load(path)
    elif way == "deepcopy":
        loaded = copy.deepcopy(fitted)
    else:
        module = cloudpickle if way == "cloudpickle" else dill
        loaded = module.loads(module.dumps(fitted))
    _assert_same(loaded, name, "mixed")


NETWORKS = {
    "images": Convolutional((4, 4), channels=(4, 8)),
    "sequences": Recurrent(8, 2, hidden_size=8),
    "lstm": Recurrent(16, cell="lstm", hidden_size=8),
}


@pytest.mark.parametrize("rows", NETWORKS)
def test_networks_of_images_and_sequences(rows):
    fitted = make("AutoencoderTransformer", network=clone(NETWORKS[rows]))
    fitted.fit(_rows("numeric"))
    loaded = skops.io.loads(skops.io.dumps(fitted), trusted=TRUSTED)
    _assert_alike(loaded, fitted, _rows("numeric"))


@pytest.mark.parametrize(
    "as_library",
    [pl.from_pandas, lambda f: pa.Table.from_pandas(f, preserve_index=False)],
    ids=["polars", "pyarrow"],
)
def test_frames_of_other_libraries(as_library):
    frame = _rows("mixed")
    rows = as_library(frame.astype({"count": "float64", "ordered": str}))
    fitted = make("AutoencoderTransformer").fit(rows)
    loaded = skops.io.loads(skops.io.dumps(fitted), trusted=TRUSTED)
    _assert_alike(loaded, fitted, rows)
    assert type(loaded.reconstruct(rows)) is type(rows)


DTYPES = {
    "string": lambda: pd.array(["x", None, "y"] * 20, dtype="string"),
    "arrow": lambda: pd.array(["x", None, "y"] * 20, dtype=pd.ArrowDtype(pa.string())),
    "unsigned": lambda: pd.array([2**63, None, 2**63 + 4] * 20, dtype="UInt64"),
    "Float32": lambda: pd.array([0.5, None, 2.5] * 20, dtype="Float32"),
    "boolean": lambda: pd.array([True, None, False] * 20, dtype="boolean"),
    "period": lambda: pd.period_range("2024-01", periods=60, freq="M"),
    "sparse": lambda: pd.arrays.SparseArray([0.0, 0.0, 1.0] * 20),
    "interval": lambda: pd.cut(np.arange(60.0), 3),
    "numbers as levels": lambda: pd.Categorical([3, 1, 2] * 20),
    "times as levels": lambda: pd.Categorical(
        pd.to_datetime(["2024-01-01", "2024-01-02", None] * 20)
    ),
    "offset": lambda: pd.date_range("2024", periods=60, tz="+05:30"),
    "other byte order": lambda: np.arange(60, dtype=">i4"),
}


@pytest.mark.parametrize("dtype", DTYPES)
def test_columns_of_every_dtype(dtype):
    frame = pd.DataFrame({"x": np.arange(60.0), "column": DTYPES[dtype]()})
    fitted = make("AutoencoderTransformer", n_components=1).fit(frame)
    loaded = skops.io.loads(skops.io.dumps(fitted), trusted=TRUSTED)
    _assert_alike(loaded, fitted, frame)


def test_pipelines_and_searches_for_parameters():
    steps = StandardScaler(), make("AutoencoderTransformer"), AEAnomalyDetector(max_iter=9)
    pipeline = make_pipeline(*steps).fit(_rows("numeric"))
    loaded = skops.io.loads(skops.io.dumps(pipeline), trusted=TRUSTED)
    _assert_alike(loaded, pipeline, _rows("numeric"))


@pytest.mark.parametrize("name", FITTED)
def test_estimators_that_are_not_fitted(name):
    estimator = make(name)
    for loaded in (
        skops.io.loads(skops.io.dumps(estimator), trusted=TRUSTED),
        pickle.loads(pickle.dumps(estimator)),
    ):
        assert repr(loaded) == repr(estimator)
        with pytest.raises(NotFittedError):
            loaded.to("cpu")


# ------------------------------------------------------------------ no more than needed


@pytest.mark.parametrize(
    "weight",
    [
        pd.Series({"c": 4.0, "a": 0.5}),
        pd.Series([0.5, 1.0, 4.0]),
        pd.Series([0.5, 4.0], index=[0, 2]),
        pl.Series([0.5, 1.0, 4.0]),
    ],
)
@pytest.mark.parametrize("is_fitted", [True, False])
def test_weights_in_a_series_are_stored_without_it(weight, is_fitted, tmp_path):
    rows = _rows("mixed")[["a", "b", "c"]]
    model = AutoencoderTransformer(1, column_weight=weight, max_iter=2, random_state=0)
    expected = clone(model).fit(rows).transform(rows)
    if is_fitted:
        model.fit(rows)
    skae.save(model, tmp_path / "model.skops")
    loaded = skae.load(tmp_path / "model.skops")
    assert model.column_weight is weight
    if is_fitted:
        np.testing.assert_array_equal(loaded.transform(rows), expected)
    assert not isinstance(loaded.column_weight, pd.Series | pl.Series)
    np.testing.assert_array_equal(loaded.fit(rows).transform(rows), expected)


@pytest.mark.parametrize("form", [pd.Series, pd.Series.to_dict])
def test_weights_by_tuples_are_stored(form, tmp_path):
    labels = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "")])
    rows = _rows("mixed")[["a", "b", "c"]].set_axis(labels, axis=1)
    weight = form(pd.Series([2.0, 1.0, 1.0], labels))
    model = AutoencoderTransformer(1, column_weight=weight, max_iter=2, random_state=0)
    model.set_params(learning_rate_init=0.001)  # few rows
    skae.save(model.fit(rows), tmp_path / "model.skops")
    loaded = skae.load(tmp_path / "model.skops")
    assert loaded.column_weight == {("a", "x"): 2.0, ("a", "y"): 1.0, ("b", ""): 1.0}
    _assert_alike(loaded, model, rows)


def _description(estimator):
    return json.loads(estimator.__getstate__()["stored_"]["description"])


@pytest.mark.parametrize("name", ["AutoencoderTransformer", "VAETransformer"])
def test_only_streams_keep_the_state_of_the_optimiser(name):
    fitted, stream = make(name).fit(_rows("numeric")), make(name)
    stream.partial_fit(_rows("numeric"))
    assert "exp_avg" not in str(_description(fitted))
    assert "exp_avg" in str(_description(stream))
    loaded = pickle.loads(pickle.dumps(stream)).partial_fit(_rows("numeric"))
    _assert_alike(loaded, stream.partial_fit(_rows("numeric")), _rows("numeric"))
    assert "exp_avg" not in str(_description(stream.fit(_rows("numeric"))))


@pytest.mark.parametrize("stored", [False, True])
def test_streams_begin_alike_after_a_fit_that_was_stored(stored):
    fitted = make("AutoencoderTransformer", warm_start=True).fit(_rows("numeric"))
    other = pickle.loads(pickle.dumps(fitted))
    method = "partial_fit" if stored else "fit"
    getattr(fitted, method)(_rows("numeric"))
    getattr(other, method)(_rows("numeric"))
    _assert_alike(other, fitted, _rows("numeric"))


def test_detector_that_follows_a_stream_goes_on():
    rows = _rows("mixed")
    stream = AEAnomalyDetector(n_estimators=4, max_iter=20, random_state=0)
    stream.partial_fit(rows[:40])
    loaded = skops.io.loads(skops.io.dumps(stream), trusted=TRUSTED)
    _assert_alike(loaded.partial_fit(rows[40:]), stream.partial_fit(rows[40:]), rows)


def test_files_are_about_as_large_as_the_weights():
    fitted = _fitted("AutoencoderTransformer", "numeric")
    n_weights = sum(weight.numel() for weight in fitted.net_.module_.parameters())
    assert len(pickle.dumps(fitted)) < 4 * n_weights + 40_000
    assert len(skops.io.dumps(fitted)) < 4 * n_weights + 80_000


# ------------------------------------------------------------------ versions


def _with(estimator, **changes):
    """Return the state of an estimator as others would have stored it."""
    state = estimator.__getstate__()
    packed = state["stored_"] | changes
    beside = {key: value for key, value in state.items() if key != "stored_"}
    packed["digest"] = packing._digest(packed, beside, type(estimator).__name__)
    return {**beside, "stored_": packed}


def _restored(estimator, **changes):
    other = type(estimator).__new__(type(estimator))
    other.__setstate__(_with(estimator, **changes))
    return other


@pytest.mark.parametrize("package", ["skae", "torch", "scikit-learn"])
def test_later_versions_are_warned_of(package):
    fitted = _fitted("AEAnomalyDetector", "numeric")
    versions = packing.installed() | {package: "99.1"}
    with pytest.warns(InconsistentVersionWarning, match=rf"{package} 99\.1 \(here"):
        loaded = _restored(fitted, versions=versions)
    _assert_alike(loaded, fitted, _rows("numeric"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _restored(fitted, versions=packing.installed() | {package: "0.0.1"})


def test_another_format_warns_and_one_that_cannot_be_read_says_what_can():
    fitted = _fitted("AEAnomalyDetector", "numeric")
    with pytest.warns(packing.StoredVersionWarning, match=r"format 2 \(here 1\)"):
        _restored(fitted, format=2)
    versions = packing.installed() | {"skae": "9.9"}
    with pytest.raises(ValueError, match=r"in format 3 by skae 9\.9.*Install skae 9\.9"):
        _restored(fitted, format=3, readable_from=2, versions=versions)


# ------------------------------------------------------------------ classes of one's own


class OwnLayer(torch.nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.layer = torch.nn.Linear(n_in, n_out)

    def forward(self, x):
        return torch.tanh(self.layer(x))


def test_a_module_of_ones_own_has_to_be_trusted(tmp_path):
    network = Modules(OwnLayer(16, 2), OwnLayer(2, 16))
    fitted = AutoencoderTransformer(2, network=network, max_iter=2, random_state=0)
    fitted.fit(_rows("numeric"))
    skae.save(fitted, tmp_path / "own.skops")
    with pytest.raises(TypeError, match=r"OwnLayer.*trusted=\[\.\.\.\]"):
        skae.load(tmp_path / "own.skops")
    with pytest.raises(UntrustedTypesFoundException, match="OwnLayer"):
        skops.io.load(tmp_path / "own.skops", trusted=TRUSTED)
    loaded = skae.load(tmp_path / "own.skops", trusted=[OwnLayer])
    _assert_alike(loaded, fitted, _rows("numeric"))


def test_modules_of_torch_are_known():
    """Attention has parts, batch normalisation counts, and a layer may be there twice."""

    def attention():
        return torch.nn.TransformerEncoderLayer(
            4, 2, 8, activation=torch.nn.GELU(), batch_first=True
        )

    layer = torch.nn.Linear(16, 16)
    encoder = torch.nn.Sequential(
        *(layer, torch.nn.BatchNorm1d(16), torch.nn.PReLU(), layer),
        *(torch.nn.Unflatten(1, (4, 4)), attention(), torch.nn.Flatten()),
        torch.nn.Linear(16, 2),
    )
    network = Modules(encoder, torch.nn.Linear(2, 16))
    fitted = make("AutoencoderTransformer", network=network).fit(_rows("numeric"))
    loaded = skops.io.loads(skops.io.dumps(fitted), trusted=TRUSTED)
    _assert_alike(loaded, fitted, _rows("numeric"))
    inner = loaded.encoder_.block.correction
    assert inner[0] is inner[3]


def test_settings_of_ones_own_have_to_be_trusted(tmp_path):
    fitted = make("AutoencoderTransformer", corruption=OwnNoise(), penalties=OwnPenalty())
    skae.save(fitted.fit(_rows("numeric")), tmp_path / "own.skops")
    with pytest.raises(TypeError, match=r"OwnNoise.*OwnPenalty"):
        skae.load(tmp_path / "own.skops")
    names = ["registry.OwnNoise", "registry.OwnPenalty"]
    _assert_alike(
        skae.load(tmp_path / "own.skops", trusted=names), fitted, _rows("numeric")
    )


# ------------------------------------------------------------------ devices


@pytest.mark.skipif(torch.cuda.is_available(), reason="fits are not on the CPU then")
@pytest.mark.parametrize("name", FITTED)
def test_what_was_on_a_device_that_is_not_here_works_on_the_cpu(name, monkeypatch):
    """As if all tensors had been on the seventh GPU."""
    if name == "AutoencoderImputer":
        pytest.skip("its networks are on the processor, wherever they were trained")
    fitted = _fitted(name, "mixed")
    state = fitted.__getstate__()
    described = json.loads(state["stored_"]["description"])
    _on_the_seventh(described)
    with pytest.warns(UserWarning, match=r"'cuda:7', which this machine does not have"):
        loaded = _restored(fitted, description=json.dumps(described))
    _assert_same(loaded, name, "mixed")
    assert loaded.device_.type == "cpu"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(pickle.dumps(loaded))


def _on_the_seventh(node):
    if isinstance(node, dict) and node.get("@") in ("tensor", "parameter"):
        node["device"] = "cuda:7"
    if isinstance(node, dict) and node.get("@") == "device":
        node["name"] = "cuda:7"
    for part in node.values() if isinstance(node, dict) else node:
        if isinstance(part, (dict, list)):
            _on_the_seventh(part)


# ------------------------------------------------------------------ files that are no files


@pytest.fixture(scope="module")
def stored():
    return skops.io.dumps(_fitted("AEAnomalyDetector", "mixed"))


@pytest.fixture
def nothing_runs(monkeypatch):
    """What altered files name is not called."""

    def ran(*args, **kwargs):
        pytest.fail("a file ran something")

    for name in ("os.system", "subprocess.Popen.__init__", "shutil.rmtree", "pickle.loads"):
        monkeypatch.setattr(name, ran)
    monkeypatch.setattr("torch.load", ran)


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("seed", range(3 * len(MUTATIONS)))
def test_altered_files_are_refused_or_as_they_were(stored, seed, tmp_path):
    altered, name = mutate(stored, seed)
    path = tmp_path / "altered.skops"
    path.write_bytes(altered)
    loaded, refusal = _try(skae.load, path)
    if loaded is None:
        assert "cannot be read" in refusal or "trusted=[...]" in refusal, name
    elif type(loaded) is AEAnomalyDetector:
        fitted = _fitted("AEAnomalyDetector", "mixed")
        rows = _rows("mixed")
        np.testing.assert_array_equal(
            loaded.score_samples(rows), fitted.score_samples(rows)
        )
    else:
        assert type(loaded).__module__.startswith(("sklearn.", "builtins", "numpy")), name


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("seed", range(30))
def test_files_made_by_hand_run_nothing(seed):
    fitted = _fitted("AutoencoderTransformer", "mixed")
    loaded, refusal = _try(skops.io.loads, forged(fitted, seed), trusted=TRUSTED)
    assert loaded is not None or "cannot be read" in refusal


def _try(load, *args, **kwargs):
    """Return what is loaded, or None, and the message of the error that it is not."""
    try:
        return load(*args, **kwargs), ""
    except (ValueError, TypeError) as error:
        return None, str(error)


@pytest.mark.parametrize(
    "part",
    [b"", b"PK", b"not a file", write({"a": b"b"})],
    # The last holds the time: as part of a name it would be another one in every process.
    ids=["nothing", "two bytes", "text", "archive of another kind"],
)
def test_what_is_no_file_of_ours(part, tmp_path):
    (tmp_path / "file").write_bytes(part)
    with pytest.raises(ValueError, match=r"file cannot be read: it is no file of skae"):
        skae.load(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        skae.load(tmp_path / "nowhere")


def test_state_that_says_nothing_of_its_form():
    """Such as the attributes of an estimator, as skae stored them before it had formats."""
    other = AutoencoderTransformer.__new__(AutoencoderTransformer)
    with pytest.raises(ValueError, match=r"AutoencoderTransformer cannot be read.*Fit and"):
        other.__setstate__(dict(vars(_fitted("AutoencoderTransformer", "numeric"))))


def test_nothing_is_half_written(tmp_path):
    """A file that cannot be written leaves what was there, and nothing beside it."""
    path = tmp_path / "model.skops"
    skae.save(_fitted("AEAnomalyDetector", "numeric"), path)
    before = path.read_bytes()
    bad = make("AutoencoderTransformer", network=Modules(OwnLayer(16, 2), OwnLayer(2, 16)))
    bad.network.encoder.opened = io.StringIO()
    with pytest.raises(TypeError):
        skae.save(bad, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    assert read(before)["schema.json"]


# ------------------------------------------------------------------ of earlier formats

STORED_FILES = Path(__file__).parent / "files"
OF_FORMATS = [
    (folder, name)
    for folder in sorted(STORED_FILES.glob("format_*"))
    for name in json.loads((folder / "answers.json").read_text())
]


@pytest.mark.parametrize(
    ("folder", "name"), OF_FORMATS, ids=[f"{f.name} {n}" for f, n in OF_FORMATS]
)
def test_files_of_every_format_are_read(folder, name):
    with warnings.catch_warnings():
        # Other versions of scikit-learn say so; answers are what is asked for here.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        loaded = skae.load(folder / f"{name.replace(' ', '_')}.skops")
    expected = json.loads((folder / "answers.json").read_text())[name]
    found = answers(loaded, rows_for(name))
    assert found.keys() == expected.keys()
    for method, numbers in expected.items():
        np.testing.assert_allclose(found[method], numbers, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("place", "message"), [("nowhere/it.skops", "no directory"), (".", "is a directory")]
)
def test_nothing_is_written_where_no_file_can_be(place, message, tmp_path):
    with pytest.raises(OSError, match=message) as caught:
        skae.save(make("AutoencoderTransformer"), tmp_path / place)
    assert str(tmp_path / place) in str(caught.value)
    assert not list(tmp_path.iterdir())
