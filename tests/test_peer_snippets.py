"""Blocks of pages that are no sessions, as they need a peer: they run where it is installed."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skae import AEAnomalyDetector, AutoencoderTransformer

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    RNG.normal(size=(80, 3)) @ RNG.normal(size=(3, 4)), columns=list("abcd")
)


def blocks():
    built = {"_build", "_examples", "gallery", "generated"}
    pages = [p for p in (ROOT / "docs").rglob("*.md") if not built & set(p.parts)]
    return {
        (page.relative_to(ROOT).as_posix(), i): text
        for page in pages
        for i, text in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")))
    }


def with_keras(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    x = RNG.random((60, 784), dtype=np.float32)
    return {"keras": keras, "layers": keras.layers, "x": x, "x_test": x}


def of_keras(names):
    codes = names["keras"].Model(names["inputs"], names["codes"])
    assert codes.predict(names["x"], verbose=0).shape == (60, 32)


def with_optuna(monkeypatch):
    optuna = pytest.importorskip("optuna")
    from sklearn.model_selection import cross_val_score

    from skae import GaussianNoise
    from skae.metrics import reconstruction_r2

    model = AutoencoderTransformer(corruption=GaussianNoise(), max_iter=3, random_state=0)
    return {
        **{"optuna": optuna, "model": model, "X": RNG.normal(size=(60, 16))},
        **{"cross_val_score": cross_val_score, "reconstruction_r2": reconstruction_r2},
    }


def of_optuna(names):
    optuna = names["optuna"]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    study.optimize(names["objective"], n_trials=2)
    assert study.best_params.keys() == {"n_components", "noise"}


def with_mlflow(monkeypatch):
    mlflow = pytest.importorskip("mlflow", minversion="3.10")
    mlflow.set_tracking_uri(f"sqlite:///{Path.cwd()}/runs.db")
    return {
        "X": TABLE,
        "detector": AEAnomalyDetector(max_iter=5, random_state=0).fit(TABLE),
    }


def of_logged(names):
    labels = names["mlflow"].pyfunc.load_model(names["logged"].model_uri).predict(TABLE)
    np.testing.assert_array_equal(labels, names["detector"].predict(TABLE))


def with_watching(monkeypatch):
    import skae.mlflow

    return {**with_mlflow(monkeypatch), "skae": skae}


def of_watching(names):
    import mlflow

    names["skae"].mlflow.autolog(disable=True)
    assert len(mlflow.search_runs(output_format="list")) == 1


def with_duckdb(monkeypatch):
    con = pytest.importorskip("duckdb").connect()
    model = AutoencoderTransformer(2, max_iter=3, random_state=0).fit(TABLE)
    rides = TABLE.assign(id=np.arange(len(TABLE)))  # noqa: F841  which the query names
    con.execute("create table rides as select * from rides")
    con.execute("create table codes (first float, second float)")
    return {"con": con, "model": model}


def of_duckdb(names):
    codes = names["con"].sql("select * from codes").df().to_numpy()
    np.testing.assert_allclose(codes, names["model"].transform(TABLE), atol=1e-5)


def with_dask(monkeypatch):
    pytest.importorskip("dask.dataframe")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    Path("rides").mkdir()
    TABLE.to_parquet("rides/0.parquet")
    detector = AEAnomalyDetector(max_iter=5, random_state=0)
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), detector)
    return {"detector": detector.fit(TABLE), "pipeline": pipeline.fit(TABLE)}


def of_dask(names):
    scores = names["detector"].score_samples(names["rides"]).compute()
    np.testing.assert_allclose(scores, names["detector"].score_samples(TABLE), rtol=1e-12)


# Page and number of its block -> what the block needs, and what must come of it.
PEERS = {
    ("docs/coming_from/keras.md", 0): (with_keras, of_keras),
    ("docs/guide/tune.md", 0): (with_optuna, of_optuna),
    ("docs/files.md", 0): (with_mlflow, of_logged),
    ("docs/files.md", 1): (with_watching, of_watching),
    ("docs/large_tables.md", 0): (with_duckdb, of_duckdb),
    ("docs/large_tables.md", 1): (with_dask, of_dask),
}
# GPUs and a bucket that nobody has; `tests/test_engines.py` and `tests/test_cluster.py` do the same.
NOT_RUN = {("docs/large_tables.md", 2), ("docs/large_tables.md", 3)}


def test_every_block_is_run():
    assert blocks().keys() == PEERS.keys() | NOT_RUN


@pytest.mark.parametrize("place", PEERS, ids=lambda place: f"{place[0]} {place[1]}")
def test_blocks_run(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given, check = PEERS[place]
    names = given(monkeypatch)
    exec(blocks()[place], names)
    check(names)
