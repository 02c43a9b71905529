"""MLflow logs and loads estimators in its default format, where it is installed."""

import numpy as np
import pandas as pd
import pytest
from registry import make
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
import skae.mlflow

mlflow = pytest.importorskip("mlflow", minversion="3.10")
pytest.importorskip("mlflow.sklearn")


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 3)), columns=list("abc"))
    return frame.assign(
        level=np.resize(["x", "y"], 60), kind=pd.Categorical(np.resize(["u", "v"], 60))
    )


@pytest.fixture(scope="module", autouse=True)
def tracked(tmp_path_factory):
    """A store of this module's; to make one takes seconds."""
    before, folder = mlflow.get_tracking_uri(), tmp_path_factory.mktemp("runs")
    mlflow.set_tracking_uri(f"sqlite:///{folder}/runs.db")
    mlflow.create_experiment("tests", artifact_location=folder.as_uri())
    mlflow.set_experiment("tests")
    yield
    mlflow.set_tracking_uri(before)


@pytest.fixture
def watched():
    skae.mlflow.autolog(silent=True)
    mlflow.sklearn.autolog(log_input_examples=False, silent=True)
    yield
    mlflow.sklearn.autolog(disable=True)
    skae.mlflow.autolog(disable=True)


def last_run():
    run, *_ = mlflow.search_runs(output_format="list", max_results=1)
    return run


@pytest.mark.parametrize("name", ["AEAnomalyDetector", "AutoencoderTransformer"])
def test_logged_models_are_loaded_and_score_frames(name, frame):
    fitted = make(name).fit(frame)
    with mlflow.start_run():
        logged = skae.mlflow.log_model(fitted, "model")
    assert logged.flavors["sklearn"]["serialization_format"] == "skops"
    # The list of what is trusted is stored with the model.
    loaded = mlflow.sklearn.load_model(logged.model_uri)
    np.testing.assert_array_equal(loaded.score_samples(frame), fitted.score_samples(frame))
    if hasattr(fitted, "predict"):
        served = mlflow.pyfunc.load_model(logged.model_uri)
        np.testing.assert_array_equal(served.predict(frame), fitted.predict(frame))


def test_saved_models_say_what_they_need_and_trust_more_types_if_told(frame, tmp_path):
    fitted = make("AEAnomalyDetector").fit(frame)
    more = {"skops_trusted_types": ["mine.Layer"]}
    skae.mlflow.save_model(fitted, tmp_path / "model", **more)
    needed = (tmp_path / "model" / "requirements.txt").read_text()
    assert f"skae=={skae.__version__}" in needed
    trusted = (tmp_path / "model" / "MLmodel").read_text()
    assert "- mine.Layer" in trusted
    assert "- skae.anomaly.AEAnomalyDetector" in trusted


def test_a_bare_fit_is_logged(frame, watched):
    plain = frame.drop(columns="kind")
    fitted = make("AutoencoderTransformer").fit(plain)
    run = last_run()
    assert run.info.status == "FINISHED"
    assert run.data.params["n_components"] == str(fitted.n_components)
    assert run.data.metrics["loss"] == pytest.approx(fitted.loss_curve_[-1])
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [metric.step for metric in history] == list(range(1, fitted.n_iter_ + 1))
    (logged,) = run.outputs.model_outputs
    loaded = mlflow.sklearn.load_model(f"models:/{logged.model_id}")
    np.testing.assert_array_equal(loaded.transform(plain), fitted.transform(plain))


def test_the_model_of_a_bare_fit_takes_the_frame_that_was_fitted(frame, watched):
    fitted = make("AEAnomalyDetector").fit(frame)
    (logged,) = last_run().outputs.model_outputs
    served = mlflow.pyfunc.load_model(f"models:/{logged.model_id}")
    np.testing.assert_array_equal(served.predict(frame), fitted.predict(frame))


def test_failed_fits_are_runs_that_failed_and_raise(frame, watched):
    with pytest.raises(ValueError, match="max_iter"):
        make("AutoencoderTransformer").set_params(max_iter=-1).fit(frame)
    assert last_run().info.status == "FAILED"


def test_pipelines_are_logged_once_by_scikit_learns_flavour(frame, watched):
    numbers = frame[list("abc")]
    before = len(mlflow.search_runs(output_format="list"))
    with mlflow.start_run() as run:
        pipeline = make_pipeline(StandardScaler(), make("AEAnomalyDetector")).fit(numbers)
    assert len(mlflow.search_runs(output_format="list")) == before + 1
    (logged,) = mlflow.get_run(run.info.run_id).outputs.model_outputs
    loaded = mlflow.sklearn.load_model(f"models:/{logged.model_id}")
    np.testing.assert_array_equal(loaded.predict(numbers), pipeline.predict(numbers))


def test_watching_ends(frame):
    skae.mlflow.autolog(silent=True)
    skae.mlflow.autolog(disable=True)
    before = len(mlflow.search_runs(output_format="list"))
    make("AutoencoderTransformer").fit(frame)
    assert len(mlflow.search_runs(output_format="list")) == before
