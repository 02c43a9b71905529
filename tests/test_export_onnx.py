"""Fitted estimators as ONNX files, run by onnxruntime."""

import importlib.util
import inspect
import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from exported import assert_same, mixed_rows, number_rows, sequences, with_holes
from registry import make
from torch import nn

import skae.export
from skae import AutoencoderTransformer, Convolutional, Modules, VAETransformer

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

OUTPUTS = {
    "codes": "transform",
    "reconstruction": "reconstruct",
    "score": "score_samples",
    "decision": "decision_function",
    "label": "predict",
    "pvalue": "pvalues",
}


def session_of(model):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    content = model if isinstance(model, str) else model.SerializeToString()
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def results(session, X):
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, skae.export.feed(session, X)), strict=True))


def description(session):
    return json.loads(session.get_modelmeta().custom_metadata_map["skae"])


def assert_equals(session, estimator, X):
    """Every output of the graph is what the estimator says."""
    for name, found in results(session, X).items():
        if name.startswith("reconstruction_"):
            continue
        assert_same(found, getattr(estimator, OUTPUTS[name])(X))


@cache
def detector_of_numbers():
    return make("AEAnomalyDetector").fit(number_rows())


@cache
def detector_of_mixed():
    detector = make("AEAnomalyDetector").fit(mixed_rows())
    return detector, session_of(skae.export.onnx(detector, None))


def test_detector_of_an_array(tmp_path):
    detector, path = detector_of_numbers(), tmp_path / "detector.onnx"
    skae.export.onnx(detector, path)
    assert [file.name for file in tmp_path.iterdir()] == ["detector.onnx"]
    session = session_of(str(path))
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape[1]) == ("X", "tensor(double)", 5)
    assert [output.name for output in session.get_outputs()] == ["label", "score", "pvalue"]
    # Training rows tie with themselves in their p-values.
    for X in (number_rows(), number_rows(1000, seed=3), number_rows(2), number_rows(1)):
        assert_equals(session, detector, X)
        assert_equals(session, detector, with_holes(X))
    far = np.array([[np.inf, 1e300, -np.inf, 0.0, np.nan]])
    found = results(session, far)
    assert found["label"] == -1
    assert np.isfinite(found["score"]).all()


def test_what_a_file_says_of_itself():
    detector, session = detector_of_mixed()
    said = description(session)
    assert said["estimator"] == "AEAnomalyDetector"
    assert said["skae"] == skae.__version__
    assert said["offset"] == detector.offset_
    by_name = {column["name"]: column for column in said["columns"]}
    assert by_name["city"]["levels"] == ["Rome", "Oslo", "Lima"]
    assert by_name["day"]["unit"] == "us"
    assert by_name["seen"]["zone"] == "UTC"
    assert by_name["size class"]["kind"] == "ordered"
    assert by_name["code №/1"]["levels"] == [7, 40, 1900]
    assert {o["name"]: o["method"] for o in said["outputs"]} == {
        name: OUTPUTS[name] for name in ("label", "score", "pvalue")
    }


def test_detector_of_a_frame():
    detector, session = detector_of_mixed()
    types = {value.name: value.type for value in session.get_inputs()}
    assert list(types) == list(mixed_rows().columns)
    assert types["size"] == "tensor(double)"
    assert types["city"] == "tensor(string)"
    assert types["day"] == types["flag"] == types["code №/1"] == "tensor(int64)"
    assert all(value.shape[1] == 1 for value in session.get_inputs())
    other = mixed_rows(200, seed=4, missing=0.3)
    other["city"] = other["city"].cat.add_categories(["Bonn"])
    other.loc[other.index[:5], "city"] = "Bonn"
    for X in (mixed_rows(), mixed_rows(90, seed=3, missing=0.0), other, other[:1]):
        assert_equals(session, detector, X)


def test_transformer_of_a_frame_with_its_reconstruction():
    names = {"size": "score", "city": "codes", "rooms": "", "other": "skae/net/x"}
    rows = mixed_rows().rename(columns=names)
    estimator = make("AutoencoderTransformer").fit(rows)
    model = skae.export.onnx(estimator, None, ["transform", "reconstruct", "score_samples"])
    session = session_of(model)
    found, wanted = results(session, rows), estimator.reconstruct(rows)
    # These names are columns'.
    assert_same(found["codes_"], estimator.transform(rows))
    assert_same(found["score_"], estimator.score_samples(rows))
    for label in rows:
        own = found[f"reconstruction_{label or 'x2'}"][:, 0]
        column = wanted[label]
        if column.dtype.kind == "M":
            unit = next(c for c in description(session)["columns"] if c["name"] == label)
            column = column.dt.tz_localize(None) if column.dt.tz is not None else column
            column = column.to_numpy().astype(f"M8[{unit['unit']}]").astype(np.int64)
        elif column.dtype.kind == "m":
            column = column.to_numpy().astype(np.int64)
        if own.dtype == object:
            assert own.tolist() == column.tolist()
        else:
            assert_same(own, column.astype(np.float64))


def test_convolutions_and_log_gamma():
    # Of the one onnxruntime knows float32 only, of the other nothing.
    X = np.abs(sequences()).round()
    estimator = make("VAE negative_binomial", network=Convolutional((4, 4), channels=4))
    estimator.fit(with_holes(X))
    session = session_of(skae.export.onnx(estimator, None, ["transform", "score_samples"]))
    for rows in (X, with_holes(X, seed=1), X[:1]):
        assert_equals(session, estimator, rows)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, x):
        return self.layer(x) if x.sum() > 0 else -self.layer(x)


class Bessel(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, x):
        return torch.special.bessel_j0(self.layer(x))


@pytest.mark.parametrize(
    ("encoder", "named"),
    [(Branching(), r"if x.sum\(\) > 0.*torch.where"), (Bessel(), "bessel_j0")],
)
def test_operations_that_cannot_be_exported(encoder, named, tmp_path):
    network = Modules(encoder, nn.Linear(2, 5))
    estimator = AutoencoderTransformer(2, network=network, max_iter=1, random_state=0)
    estimator.fit(number_rows())
    with pytest.raises(ValueError, match=named):
        skae.export.onnx(estimator, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", ["skae", "torch", "onnx"])
def test_your_line_is_told_whatever_your_folder_is_called(folder, tmp_path):
    source = inspect.getsource(Branching).replace("x.sum()", "x.amax()")
    path = tmp_path / folder / "own.py"
    path.parent.mkdir()
    path.write_text(f"import torch\nfrom torch import nn\n\n\n{source}")
    spec = importlib.util.spec_from_file_location("own", path)
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    network = Modules(own.Branching(), nn.Linear(2, 5))
    estimator = AutoencoderTransformer(2, network=network, max_iter=1, random_state=0)
    estimator.fit(number_rows())
    with pytest.raises(ValueError, match=r"own\.py, line 11 .*if x.amax\(\) > 0"):
        skae.export.onnx(estimator, tmp_path / "model.onnx")


def test_bad_paths_and_methods_are_told_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(
        torch.export, "export", lambda *args, **kwargs: pytest.fail("worked")
    )
    detector = detector_of_numbers()
    with pytest.raises(FileNotFoundError, match="no directory"):
        skae.export.onnx(detector, tmp_path / "nowhere" / "a.onnx")
    with pytest.raises(IsADirectoryError, match="name a file"):
        skae.export.onnx(detector, tmp_path)
    with pytest.raises(ValueError, match="method='transform'"):
        skae.export.onnx(detector, tmp_path / "a.onnx", "transform")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")

    def fail(*args):
        raise OSError("no space left")

    model = onnx.ModelProto()  # what is written is of no matter
    monkeypatch.setattr("skae.export._onnx.make_model", lambda *args: model)
    monkeypatch.setattr("skae._new_file.os.replace", fail)
    with pytest.raises(OSError, match="no space"):
        skae.export.onnx(detector_of_numbers(), path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_columns_that_no_graph_can_express():
    rows = pd.DataFrame(
        {"x": np.arange(40.0), "when": pd.date_range("2021-01-01", periods=40)}
    )
    zoned = rows.assign(when=rows["when"].dt.tz_localize("Europe/Berlin"))
    estimator = AutoencoderTransformer(1, max_iter=1, random_state=0).fit(zoned)
    with pytest.raises(ValueError, match=r"'when'.*Europe/Berlin.*UTC"):
        skae.export.onnx(estimator, None, "reconstruct")
    mixed = rows.assign(name=pd.Categorical([1, "1"] * 20))
    estimator = AutoencoderTransformer(1, max_iter=1, random_state=0).fit(mixed)
    with pytest.raises(ValueError, match="'name' holds two levels that are '1'"):
        skae.export.onnx(estimator, None)


def test_files_that_are_not_ours_are_not_fed():
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Abs", ["X"], ["Y"])],
        "other",
        [value("X", onnx.TensorProto.FLOAT, [None, 1])],
        [value("Y", onnx.TensorProto.FLOAT, [None, 1])],
    )
    opsets = [onnx.helper.make_opsetid("", 18)]
    session = session_of(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9))
    with pytest.raises(ValueError, match="not written by skae"):
        skae.export.feed(session, number_rows())
    _, session = detector_of_mixed()
    with pytest.raises(ValueError, match="lacks the columns \\['size'\\]"):
        skae.export.feed(session, mixed_rows().drop(columns="size"))


@pytest.mark.parametrize("column", ["size", "seen", "code №/1"])
def test_columns_of_another_kind_are_refused_not_read_as_zeros(column):
    _, session = detector_of_mixed()
    with pytest.raises(ValueError, match=f"Column '{column}' was of kind .* convert it"):
        skae.export.feed(session, mixed_rows().assign(**{column: "text"}))


def test_noise_that_columns_share_is_in_the_score(monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((500, 1)) @ rng.standard_normal((1, 4))
    rows += rng.standard_normal((500, 1)) * np.array([0.0, 0.0, 1.0, 1.0])
    rows += 0.1 * rng.standard_normal(rows.shape)
    vae = VAETransformer(
        1, noise_covariance="full", sampler="codes", max_iter=5, refit=False, random_state=0
    ).fit(rows)
    assert vae.noise_covariance_ == "full"
    session = session_of(skae.export.onnx(vae, None, method="score_samples"))
    for X in (rows[:40], with_holes(rows[:40])):
        assert_equals(session, vae, X)
    monkeypatch.setattr("skae.export._onnx.MAX_STEPS", 3)
    remedy = "noise_covariance='diagonal'"
    with pytest.raises(ValueError, match=remedy):
        skae.export.onnx(vae, None, method="score_samples")
    assert remedy.partition("=")[0] in vae.get_params()
