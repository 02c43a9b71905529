"""Pipelines of scikit-learn's steps and ours, converted by skl2onnx."""

import numpy as np
import pandas as pd
import pytest
from exported import assert_same, number_rows, with_holes
from registry import make
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae.export

pytest.importorskip("onnxscript")
skl2onnx = pytest.importorskip("skl2onnx")
ort = pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True, scope="module")
def _registered():
    skae.export.register_converters()


def run(model, cells):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options)
    return session, session.run(None, cells)


def test_scaler_imputer_and_detector():
    X = with_holes(number_rows()).astype(np.float32)
    pipeline = make_pipeline(StandardScaler(), SimpleImputer(), make("AEAnomalyDetector"))
    pipeline.fit(X)
    model = skl2onnx.to_onnx(
        pipeline, X[:1], options={id(pipeline[-1]): {"score_samples": True}}
    )
    session, (labels, decisions, scores) = run(model, {"X": X})
    assert [value.name for value in session.get_outputs()] == [
        "label",
        "scores",
        "score_samples",
    ]
    assert labels.shape == decisions.shape == (len(X), 1)
    assert labels.dtype == np.int64
    assert (labels[:, 0] == pipeline.predict(X)).all()
    assert_same(decisions[:, 0], pipeline.decision_function(X))
    assert_same(scores[:, 0], pipeline.score_samples(X))


def test_codes_beside_other_columns_into_a_classifier():
    X = number_rows().astype(np.float32)
    y = (X[:, 0] > X[:, 0].mean()).astype(int)
    codes = make_pipeline(StandardScaler(), make("VAETransformer"))
    columns = make_column_transformer((codes, [0, 1, 2]), (StandardScaler(), [3, 4]))
    pipeline = make_pipeline(columns, LogisticRegression()).fit(X, y)
    model = skl2onnx.to_onnx(pipeline, X[:1], options={"zipmap": False})
    _, (labels, proportions) = run(model, {"X": X})
    assert (labels == pipeline.predict(X)).all()
    assert_same(proportions, pipeline.predict_proba(X))


def test_frame_whose_columns_are_inputs():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "width": rng.normal(size=90),
            "kind": np.array(["a", "b", "c"], dtype=object)[rng.integers(0, 3, 90)],
            "depth": rng.normal(size=90),
        }
    )
    transformer = make("AutoencoderTransformer").fit(rows)
    model = skl2onnx.to_onnx(transformer, rows[:1])
    cells = {name: rows[[name]].to_numpy() for name in rows}
    _, (codes,) = run(model, cells)
    assert_same(codes, transformer.transform(rows))


def test_old_opsets_are_refused():
    detector = make("AEAnomalyDetector").fit(number_rows())
    with pytest.raises(ValueError, match="needs opset 18"):
        skl2onnx.to_onnx(detector, number_rows(1), target_opset=17)
