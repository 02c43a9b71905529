"""Taxi rides: a made table whose columns are tied to each other as those of a bill are."""

import numpy as np
import pandas as pd

N_ROWS = 6000
N_ZONES = {"Manhattan": 25, "Brooklyn": 13, "Queens": 12, "Bronx": 7, "Staten Island": 3}
WEIGHTS = {"Manhattan": 70, "Brooklyn": 12, "Queens": 12, "Bronx": 5, "Staten Island": 1}
BOROUGH_OF = {
    f"{borough} {i + 1:02d}": borough for borough, n in N_ZONES.items() for i in range(n)
}
SHORTEST, LONGEST = 3.0, 37.0
FLAG, TOLL = 2.5, 6.12
# The longest ride that a reader would believe, in minutes.
BELIEVED = 60.0


def make_rides(n_rows=N_ROWS, seed=0):
    """Return rides of a month.

    The drop-off is 3 to 37 minutes after the pickup, more the longer the way; the fare
    depends on way and minutes; a tip (15 to 25% of the fare) is paid by card only; the total
    is the sum of fare, tip and tolls; a zone lies in one borough.
    """
    rng = np.random.default_rng(seed)
    zones = np.array(list(BOROUGH_OF))
    weights = np.array(
        [WEIGHTS[borough] / (i + 1) for borough, n in N_ZONES.items() for i in range(n)]
    )
    zone = rng.choice(zones, n_rows, p=weights / weights.sum())
    borough = np.array([BOROUGH_OF[name] for name in zone])
    hours = np.array(
        [4, 3, 2, 1, 1, 1, 2, 4, 5, 5, 5, 5, 6, 6, 6, 6, 5, 6, 8, 8, 7, 7, 7, 6]
    )
    seconds = rng.choice(24, n_rows, p=hours / hours.sum()) * 3600 + rng.integers(
        3600, size=n_rows
    )
    pickup = (
        pd.Timestamp("2019-03-01")
        + pd.to_timedelta(rng.integers(31, size=n_rows), unit="D")
        + pd.to_timedelta(seconds, unit="s")
    )
    usual = np.where(borough == "Manhattan", 1.6, 2.8)
    distance = np.clip(rng.lognormal(np.log(usual), 0.7), 0.3, 18.0).round(2)
    minutes = rng.lognormal(np.log(3.0 + 3.2 * distance), 0.25).clip(SHORTEST, LONGEST)
    minutes = (minutes * 60).round() / 60
    # Meters count in halves.
    fare = ((FLAG + 2.5 * distance + 0.2 * minutes) * 2).round() / 2
    tolls = np.where((distance > 6) & (rng.random(n_rows) < 0.5), TOLL, 0.0)
    is_card = rng.random(n_rows) < 0.72
    tip = np.where(is_card, (fare * rng.uniform(0.15, 0.25, n_rows)).round(2), 0.0)
    return pd.DataFrame(
        {
            "pickup": pickup,
            "dropoff": pickup + pd.to_timedelta((minutes * 60).round(), unit="s"),
            "passengers": rng.choice(
                [1, 2, 3, 4, 5, 6], n_rows, p=[0.7, 0.15, 0.05, 0.03, 0.04, 0.03]
            ),
            "distance": distance,
            "fare": fare,
            "tip": tip,
            "tolls": tolls,
            "total": (fare + tip + tolls).round(2),
            "payment": np.where(is_card, "card", "cash"),
            "zone": zone,
            "borough": borough,
        }
    )


def minutes_of(rides):
    return (rides["dropoff"] - rides["pickup"]).dt.total_seconds() / 60


def relations_kept(rides):
    """Return of every relation the fraction of the rides that keep it."""
    minutes = minutes_of(rides)
    parts = rides["fare"] + rides["tip"] + rides["tolls"]
    is_cash = rides["payment"] == "cash"
    kept = {
        "drop-off after pickup": (minutes >= 0) & (minutes <= BELIEVED),
        # A cent for each part that was rounded.
        "total": (rides["total"] - parts).abs() < 0.0301,
        "cash without tip": (rides["tip"] < 0.005)[is_cash],
        "zone in borough": rides["zone"].map(BOROUGH_OF) == rides["borough"],
    }
    return {name: float(rows.mean()) for name, rows in kept.items()}
