"""MLflow logs and loads estimators in its default format, where it is installed."""

import numpy as np
import pandas as pd
import pytest
from registry import make
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae

mlflow = pytest.importorskip("mlflow", minversion="3")
pytest.importorskip("mlflow.sklearn")


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 3)), columns=list("abc"))
    return frame.assign(level=np.resize(["x", "y"], 60))


@pytest.fixture
def tracked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
    yield
    mlflow.sklearn.autolog(disable=True)
    mlflow.set_tracking_uri(before)


@pytest.mark.usefixtures("tracked")
@pytest.mark.parametrize("name", ["AEAnomalyDetector", "AutoencoderTransformer"])
def test_logged_models_are_loaded_and_score_frames(name, frame):
    fitted = make(name).fit(frame)
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(
            fitted,
            name="model",
            skops_trusted_types=skae.trusted_types(),
            pip_requirements=["skae"],
        )
    assert logged.flavors["sklearn"]["serialization_format"] == "skops"
    # The list of what is trusted is stored with the model.
    loaded = mlflow.sklearn.load_model(logged.model_uri)
    np.testing.assert_array_equal(loaded.score_samples(frame), fitted.score_samples(frame))
    if hasattr(fitted, "predict"):
        served = mlflow.pyfunc.load_model(logged.model_uri)
        np.testing.assert_array_equal(served.predict(frame), fitted.predict(frame))


@pytest.mark.usefixtures("tracked")
def test_pipelines_are_logged_by_themselves(frame):
    mlflow.sklearn.autolog(log_input_examples=False, silent=True)
    numbers = frame[list("abc")]
    with mlflow.start_run() as run:
        pipeline = make_pipeline(StandardScaler(), make("AEAnomalyDetector")).fit(numbers)
    logged = mlflow.get_run(run.info.run_id).outputs.model_outputs
    loaded = mlflow.sklearn.load_model(f"models:/{logged[0].model_id}")
    np.testing.assert_array_equal(loaded.predict(numbers), pipeline.predict(numbers))
