"""What the benchmarks of detection share: protocols, detectors, and one measured fit."""

import os

# Before torch looks: nobody gets a GPU.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import base64
import zlib
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from _tables import processor_timed, quiet
from pyod.models.auto_encoder import AutoEncoder
from pyod.models.cblof import CBLOF
from pyod.models.copod import COPOD
from pyod.models.deep_svdd import DeepSVDD
from pyod.models.ecod import ECOD
from pyod.models.hbos import HBOS
from pyod.models.knn import KNN
from pyod.models.lunar import LUNAR
from pyod.models.mcd import MCD
from pyod.models.pca import PCA
from pyod.models.vae import VAE
from scipy.stats import rankdata
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils import _safe_indexing

from skae import AEAnomalyDetector

OURS, RIVAL = "skae", "AutoEnc"
# Ours on the columns that the peers get.
OURS_ONE_HOT = "one-hot skae"
# Their robust covariance did not end within 20 minutes on 1,555 columns.
TOO_SLOW, MOST_COLUMNS = ("Elliptic", "MCD"), 500

# ----------------------------------------------------------------------- protocols


def contaminated(X, y, seed):
    return train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)


def clean(X, y, seed):
    normal, anomalies = np.flatnonzero(y == 0), np.flatnonzero(y != 0)
    known, unknown = train_test_split(normal, train_size=0.5, random_state=seed)
    test = np.concatenate([unknown, anomalies])
    return _safe_indexing(X, known), _safe_indexing(X, test), y[known], y[test]


PROTOCOLS = {"contaminated": contaminated, "clean": clean}
# What a user who knows the protocol tells our detector.
CONTAMINATION = {"contaminated": "auto", "clean": 0.0}


def encoder():
    """Return what stands in front of the peers: numbers only, in standard units."""
    numbers = SimpleImputer(strategy="median", keep_empty_features=True)
    levels = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (levels, make_column_selector(dtype_exclude="number")),
    )
    return make_pipeline(columns, StandardScaler())


@dataclass
class Split:
    """Rows to train on and to test on; a frame also as numbers."""

    train: object
    test: object
    numbers: tuple
    y_test: np.ndarray
    n_rows: int

    @classmethod
    def of(cls, problem, protocol, max_rows, seed):
        X, y = problem.draw(max_rows, seed)
        train, test, _, y_test = PROTOCOLS[protocol](X, y, seed)
        front = encoder() if hasattr(train, "columns") else StandardScaler()
        numbers = front.fit_transform(train), front.transform(test)
        native = (train, test) if hasattr(train, "columns") else numbers
        return cls(*native, numbers, y_test, len(y))

    @property
    def is_frame(self):
        return self.train is not self.numbers[0]


# ----------------------------------------------------------------------- detectors
# Each takes a seed, the number of columns and the protocol.


def ours(**settings):
    return lambda seed, d, protocol: AEAnomalyDetector(
        contamination=CONTAMINATION[protocol], random_state=seed, **settings
    )


PEERS = {
    "IForest": lambda seed, d, protocol: IsolationForest(random_state=seed),
    "LOF": lambda seed, d, protocol: LocalOutlierFactor(novelty=True),
    "KNN": lambda seed, d, protocol: KNN(),
    "ECOD": lambda seed, d, protocol: ECOD(),
    "CBLOF": lambda seed, d, protocol: CBLOF(random_state=seed),
    "HBOS": lambda seed, d, protocol: HBOS(),
    RIVAL: lambda seed, d, protocol: AutoEncoder(random_state=seed, verbose=0),
    "LUNAR": lambda seed, d, protocol: LUNAR(),
}
MORE_PEERS = {
    "OCSVM": lambda seed, d, protocol: OneClassSVM(),
    "Elliptic": lambda seed, d, protocol: EllipticEnvelope(random_state=seed),
    "COPOD": lambda seed, d, protocol: COPOD(),
    "PCA": lambda seed, d, protocol: PCA(random_state=seed),
    "MCD": lambda seed, d, protocol: MCD(random_state=seed),
    "VAE": lambda seed, d, protocol: VAE(random_state=seed, verbose=0),
    "DeepSVDD": lambda seed, d, protocol: DeepSVDD(d, random_state=seed, verbose=0),
}


def anomaly_scores(detector, X):
    """Return scores that are higher for anomalies, as PyOD's are, unlike scikit-learn's."""
    if hasattr(detector, "score_samples"):
        return -detector.score_samples(X)
    return detector.decision_function(X)


def is_ours(name):
    return name.startswith(OURS)


def warm_up(detectors):
    """Let torch load what it loads at first use, outside the first detector's time."""
    X = np.random.default_rng(0).standard_normal((200, 4))
    with quiet():
        for build in detectors.values():
            anomaly_scores(build(0, 4, "contaminated").fit(X), X)


# -------------------------------------------------------------------- measurements


@dataclass(frozen=True)
class Result:
    """One detector on one split. `ranks` and `labels` are packed test rows."""

    collection: str
    table: str
    rows: int
    columns: int
    protocol: str
    seed: int
    detector: str
    auroc: float
    ap: float
    fit_seconds: float = 0.0
    score_seconds: float = 0.0
    error: str | None = None
    ranks: str = ""
    labels: str = ""

    @property
    def cell(self):
        """Return what results on the same split have in common."""
        return self.collection, self.table, self.rows, self.protocol, self.seed


def _pack(array):
    return base64.b64encode(zlib.compress(array.tobytes())).decode()


def pack_ranks(scores):
    # Tied ranks end in a half.
    return _pack((2 * rankdata(scores)).astype("<u2"))


def unpack_ranks(text):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype="<u2") / 2


def unpack_labels(text):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8)


def guess(split, message):
    """Return the figures of a detector that knows nothing: it failed."""
    chance = float(split.y_test.mean())
    ranks = pack_ranks(np.zeros(len(split.y_test)))
    return {"auroc": 0.5, "ap": chance, "error": message, "ranks": ranks}


def measure(name, build, split, protocol, seed):
    """Fit and score one detector; return figures. A failure is one."""
    native = is_ours(name)
    train, test = (split.train, split.test) if native else split.numbers
    if name in TOO_SLOW and train.shape[1] > MOST_COLUMNS:
        return guess(split, "too slow, not run")
    # LUNAR takes no seed.
    torch.manual_seed(seed)
    try:
        # Ours may warn: that is news.
        with nullcontext() if native else quiet():
            detector = build(seed, train.shape[1], protocol)
            _, fit_seconds = processor_timed(detector.fit, train)
            scores, score_seconds = processor_timed(anomaly_scores, detector, test)
        return {
            "auroc": float(roc_auc_score(split.y_test, scores)),
            "ap": float(average_precision_score(split.y_test, scores)),
            "fit_seconds": round(fit_seconds, 4),
            "score_seconds": round(score_seconds, 4),
            "ranks": pack_ranks(scores),
        }
    except Exception as error:
        return guess(split, f"{type(error).__name__}: {error}".splitlines()[0])


def evaluate(problem, protocol, detectors, max_rows, seed, known=()):
    """Yield a Result per detector; those whose (cell, name) is known are left out."""
    split = Split.of(problem, protocol, max_rows, seed)
    labels = _pack(split.y_test.astype(np.uint8))
    cell = problem.collection, problem.name, split.n_rows, protocol, seed
    for name, build in detectors.items():
        if (cell, name) in known or (name == OURS_ONE_HOT and not split.is_frame):
            continue
        yield Result(
            problem.collection,
            problem.name,
            split.n_rows,
            split.train.shape[1],
            protocol,
            seed,
            name,
            labels=labels,
            **measure(name, build, split, protocol, seed),
        )
