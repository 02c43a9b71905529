"""The detector on data frames."""

import numpy as np
import pandas as pd
import pytest
from frames import as_library, draw_rows, independent_levels, planted_errors
from sklearn.compose import make_column_transformer
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skae import AEAnomalyDetector

pytestmark = pytest.mark.rounding


@pytest.mark.parametrize(("library", "missing"), [("pandas", 0.1), ("polars", 0.0)])
def test_detector_finds_wrong_cells(library, missing):
    """A city that contradicts the size is no rare city and no far size."""
    planted = planted_errors(200)
    wrong, ordinary = planted.wrong[planted.names == "city"], draw_rows(300, 5)
    detector = AEAnomalyDetector(random_state=0, n_estimators=4)
    detector.fit(as_library(library, draw_rows(300, 0, missing)))
    low = detector.score_samples(as_library(library, wrong))
    usual = detector.score_samples(as_library(library, ordinary))
    assert np.median(low) < np.quantile(usual, 0.05)


def test_ordinary_row_scores_about_minus_one(quick_detector, library):
    detector = quick_detector().fit(as_library(library, draw_rows(300, 0, missing=0.1)))
    scores = detector.score_samples(as_library(library, draw_rows(300, 1, missing=0.1)))
    assert (scores <= 0.0).all()
    assert np.median(scores) == pytest.approx(-1.0, abs=0.15)


def test_detector_networks_know_the_levels_of_all_rows(quick_detector, library):
    """A level of three rows in a hundred is missing in most subsets of ten."""
    frame = independent_levels(300)
    detector = quick_detector(max_samples=10).fit(as_library(library, frame))
    rare, unknown = (
        detector.score_samples(as_library(library, frame.assign(level=level)))
        for level in ("rare", "never seen")
    )
    assert np.isfinite(rare).all()
    assert unknown.mean() <= rare.mean()
    again = quick_detector(max_samples=10).fit(as_library(library, frame))
    np.testing.assert_array_equal(
        again.predict(as_library(library, frame)),
        detector.predict(as_library(library, frame)),
    )


def _ordinary_connections(n, rng):
    services = ["http", "smtp", "ftp", "domain", "other", "telnet", "pop", "irc"]
    service = rng.choice(
        services, size=n, p=[0.6, 0.15, 0.04, 0.12, 0.05, 0.02, 0.01, 0.01]
    )
    flag = rng.choice(["SF", "REJ", "S0", "RSTO"], size=n, p=[0.93, 0.04, 0.01, 0.02])
    answered = (flag == "SF") & (service != "domain")
    return pd.DataFrame(
        {
            "service": service,
            "protocol": np.where(service == "domain", "udp", "tcp"),
            "flag": flag,
            "count": rng.poisson(8, n),
            "syn_errors": 1.0 * (flag == "S0"),
            "rejected": 1.0 * (flag == "REJ"),
            "sent": rng.lognormal(5.5, 0.6, n) * (flag == "SF"),
            "received": rng.lognormal(7.0, 1.4, n) * answered,
            "same": rng.beta(8, 1, n),
            "logged_in": answered,
        }
    )


def _attacks(n, rng):
    kind = rng.integers(3, size=n)
    return pd.DataFrame(
        {
            "service": np.array(["eco", "private", "private"])[kind],
            "protocol": np.array(["icmp", "tcp", "tcp"])[kind],
            "flag": np.array(["SF", "S0", "REJ"])[kind],
            "count": rng.poisson(np.where(kind == 0, 300, 150)),
            "syn_errors": 1.0 * (kind == 1),
            "rejected": 1.0 * (kind == 2),
            "sent": np.where(kind == 0, 1032.0, 0.0),
            "received": np.zeros(n),
            "same": rng.beta(1, 4, n),
            "logged_in": np.zeros(n, dtype=bool),
        }
    )


@pytest.mark.parametrize("fraction", [0.05, 0.4])
def test_categories_of_a_frame_are_no_worse_than_one_hot_columns(fraction):
    """Attacks of few kinds among ordinary connections, as intrusion tables hold them."""
    gains = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        n_attacks = int(800 * fraction)
        ordinary, attacks = (
            _ordinary_connections(800 - n_attacks, rng),
            _attacks(n_attacks, rng),
        )
        train = pd.concat([ordinary, attacks], ignore_index=True)
        test = pd.concat([_ordinary_connections(500, rng), _attacks(500, rng)])
        one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        categories = ["service", "protocol", "flag", "logged_in"]
        front = make_column_transformer((one_hot, categories), remainder=StandardScaler())
        native, behind = (
            roc_auc_score(np.repeat([1, 0], 500), detector.fit(train).score_samples(test))
            for detector in (
                AEAnomalyDetector(random_state=seed),
                make_pipeline(front, AEAnomalyDetector(random_state=seed)),
            )
        )
        gains.append(native - behind)
        assert fraction > 0.3 or native > 0.95
    assert np.mean(gains) > -0.05
