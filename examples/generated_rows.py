"""Generated rows: are they good, are they useful, and do they keep the table private?

The table of 2,000 bookings is generated here: numbers, dates, text, booleans and missing cells,
among them the guests' names. Half of it is given to a `VAETransformer` and to a generator that
cheats: it copies rows and adds a little noise. The other half, which neither has seen, finds
out: the copies look like more real rows, but lie nearer to those that they were made of.

    python examples/generated_rows.py
"""

import warnings

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pandas as pd

from skae import VAETransformer
from skae.display import SampleDisplay
from skae.metrics import (
    marginal_similarity,
    nearest_record_ratio,
    pair_similarity,
    train_on_synthetic_score,
    two_sample_auc,
)

PICTURE = "generated_rows.png"
N_ROWS = 2000
ROOMS = {"single": 70.0, "double": 95.0, "suite": 210.0}


def make_bookings(n, rng):
    """Return bookings whose columns depend on each other as in real life."""
    room = rng.choice(list(ROOMS), n, p=[0.35, 0.5, 0.15])
    on_business = rng.random(n) < np.where(room == "single", 0.7, 0.15)
    guests = np.where(room == "single", 1, rng.choice([1, 2, 2, 2, 3, 4], n))
    nights = 1 + rng.poisson(np.where(on_business, 0.8, 3.5))
    arrival = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        365 * np.where(on_business, rng.random(n), rng.beta(5, 4, n)), unit="D"
    )
    price = nights * pd.Series(room).map(ROOMS) * rng.lognormal(0.0, 0.15, n)
    rating = np.clip(np.round(rng.normal(4.4 - 0.5 * on_business, 0.8, n)), 1, 5)
    return pd.DataFrame(
        {
            "guest": [f"guest no. {i}" for i in rng.permutation(n)],
            "room": room,
            "business": on_business,
            "guests": guests,
            "nights": nights,
            "arrival": arrival.floor("D"),
            "price": price.round(2),
            "rating": np.where(rng.random(n) < 0.3, np.nan, rating),
        }
    )


def copy(frame, rng):
    """Return the rows of a frame with a little noise on the price."""
    return frame.assign(price=(frame["price"] * rng.normal(1.0, 0.01, len(frame))).round(2))


rng = np.random.default_rng(0)
bookings = make_bookings(N_ROWS, rng)
train, test = bookings[: N_ROWS // 2], bookings[N_ROWS // 2 :]

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    vae = VAETransformer(6, random_state=0).fit(train)
print(f"Warning: {caught[0].message}\n")
rows = vae.sample(len(train), random_state=0, missing=True)
print(f"Three of the generated rows:\n{rows.head(3).to_string()}\n")

# Names are compared by nobody: those that are generated are made up.
real, holdout = train.drop(columns="guest"), test.drop(columns="guest")
tables = {
    "more real rows": make_bookings(len(real), rng).drop(columns="guest"),
    "VAETransformer": rows.drop(columns="guest"),
    "copies with noise": copy(real, rng),
}
print(
    f"{'':20s}{'told apart':>12s}{'columns':>10s}{'pairs':>8s}{'useful':>9s}{'nearest':>10s}"
)
for name, table in tables.items():
    figures = (
        two_sample_auc(holdout, table, random_state=0),
        marginal_similarity(holdout, table).mean(),
        pair_similarity(holdout, table)["similarity"].mean(),
        train_on_synthetic_score(real, table, holdout, "price", random_state=0).ratio,
        nearest_record_ratio(real, table, holdout),
    )
    print(f"{name:20s}{'{:12.2f}{:10.2f}{:8.2f}{:9.2f}{:10.2f}'.format(*figures)}")
print(
    "\nTold apart: AUROC of boosting, generated rows against the other half; 0.5: it cannot."
    "\nColumns, pairs: similarity to the other half, at most 1."
    "\nUseful: R² of the price after training on these rows, divided by that of real ones."
    "\nNearest: proportion nearer to a row of the fit than to any of the other half; 0.5 is"
    "\nprivate, 1 is a copy."
)

display = SampleDisplay.from_tables(
    holdout, tables["VAETransformer"], name="VAETransformer", random_state=0
)
display.figure_.savefig(PICTURE, dpi=80)
print(f"Picture: {PICTURE}")
