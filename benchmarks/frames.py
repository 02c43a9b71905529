"""What it costs to read and to encode a data frame.

Claims: fitting to a frame of a million rows and twenty mixed columns, and encoding it as
float32, runs at half the speed of a ColumnTransformer, or faster, that imputes and
standardises numbers and dates and one-hot encodes the rest. One row of such a frame is
scored in at most 3 ms. Of a frame of 4,000 columns a row takes at most 30 times as long as
of the array of its numbers, and a fit 1.5 times as long.

    python benchmarks/frames.py [--part encode row wide] [--rows 100000] [--rounds 3]

The frame has ten columns of floats, three of them with missing values, three of whole
numbers, five of text or categories with 3 to 50 levels, one of booleans and one of dates.
The encoders take turns, and the median of the rounds' ratios counts, because other work on
the machine slows both; rows and fits are timed by the processor's time. skae also notes which cells are missing, and centres and scales the indicators.
"""

import argparse
from functools import partial

import _figures
import numpy as np
import pandas as pd
from _tables import (
    TextTable,
    add_threads_argument,
    describe_machine,
    heading,
    processor_timed,
    remark,
    timed,
    verdict,
)
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from skae import AEAnomalyDetector, AutoencoderTransformer
from skae.table.encoder import TableEncoder
from skae.table.frame import Frame

N_FLOATS, N_INCOMPLETE, N_WHOLE = 10, 3, 3
# Levels of the columns of text, and of those of categories.
TEXT_LEVELS, CATEGORY_LEVELS = (3, 12, 50), (6, 25)
MISSING = 0.1
TARGET = 0.5
# A row of 20 columns; of the time of an array, a row and a fit of `WIDE` columns.
MOST_MS, WIDE, MOST_OF_ROW, MOST_OF_FIT = 3.0, 4000, 30.0, 1.5


def generate(n_rows):
    """Return the frame."""
    rng = np.random.default_rng(0)
    columns = {f"float_{i}": rng.standard_normal(n_rows) for i in range(N_FLOATS)}
    for i in range(N_INCOMPLETE):
        columns[f"float_{i}"][rng.random(n_rows) < MISSING] = np.nan
    for i in range(N_WHOLE):
        columns[f"whole_{i}"] = rng.poisson(10.0 ** (i + 1), n_rows)
    for n_levels in TEXT_LEVELS + CATEGORY_LEVELS:
        # Frequencies that fall as those of real levels do.
        fractions = 1.0 / np.arange(1, n_levels + 1)
        codes = rng.choice(n_levels, size=n_rows, p=fractions / fractions.sum())
        levels = [f"level {i}" for i in range(n_levels)]
        cells = pd.Categorical.from_codes(codes, levels)
        is_text = n_levels in TEXT_LEVELS
        columns[f"levels_{n_levels}"] = pd.Series(cells).astype(str) if is_text else cells
    columns["flag"] = rng.random(n_rows) < 0.3
    day = pd.Timestamp("2020-01-01")
    columns["date"] = day + pd.to_timedelta(rng.integers(0, 2000, n_rows), unit="D")
    return pd.DataFrame(columns)


def encode_ours(frame):
    rows = Frame.of(frame)
    encoder = TableEncoder().fit(rows, names=list(frame.columns))
    return encoder.encode_rows(rows, np.arange(len(frame)))[0]


def days(frame):
    return frame.to_numpy().astype("datetime64[D]").astype(np.float64)


def encode_sklearn(frame):
    dates = make_column_selector(dtype_include="datetime")
    numbers = make_column_selector(dtype_include="number")
    levels = make_column_selector(dtype_exclude=["number", "datetime"])
    transformer = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            ("dates", make_pipeline(FunctionTransformer(days), StandardScaler()), dates),
            ("levels", OneHotEncoder(sparse_output=False, dtype=np.float32), levels),
        ]
    )
    return transformer.fit_transform(frame).astype(np.float32)


CONTENDERS = {"skae": encode_ours, "ColumnTransformer": encode_sklearn}
ESTIMATORS = {
    "AutoencoderTransformer": AutoencoderTransformer(4, random_state=0),
    "AEAnomalyDetector": AEAnomalyDetector(random_state=0),
}


def compare_encoders(args):
    frame = generate(args.rows)
    small = frame.head(1000)
    shapes = {name: encode(small).shape for name, encode in CONTENDERS.items()}  # warms up
    heading(f"{args.rows} rows, {frame.shape[1]} columns: seconds to fit and encode")
    table = TextTable({"round": ">5d"} | {name: ">8.2f" for name in CONTENDERS})
    rounds = []
    for number in range(args.rounds):
        rounds.append([timed(encode, frame)[1] for encode in CONTENDERS.values()])
        table.row(number, *rounds[-1])
    ours, peer = np.transpose(rounds)
    speeds = peer / ours
    _figures.fact("frames", f"{1 / np.median(speeds):.2f} times")
    verdict(
        "speed of skae's encoder to ColumnTransformer's",
        f"{np.median(speeds):.2f}, rounds {speeds.min():.2f} to {speeds.max():.2f}",
        f">= {TARGET}",
        np.median(speeds) >= TARGET,
    )
    widths = ", ".join(f"{name} {shape[1]}" for name, shape in shapes.items())
    remark(f"columns of the design matrix: {widths}")


def milliseconds(function, n_calls, n_rounds):
    """Return the least processor time of a call, of several rounds of calls."""
    function()
    rounds = [
        processor_timed(lambda: [function() for _ in range(n_calls)])[1]
        for _ in range(n_rounds)
    ]
    return 1000.0 * min(rounds) / n_calls


def score_one_row(args):
    frame = generate(500)
    for name, estimator in ESTIMATORS.items():
        fitted, row = clone(estimator).fit(frame), frame.iloc[:1]
        spent = milliseconds(lambda f=fitted, r=row: f.score_samples(r), 200, args.rounds)
        claim = f"{name}: one row of {frame.shape[1]} mixed columns, ms"
        verdict(claim, f"{spent:.2f}", f"<= {MOST_MS}", spent <= MOST_MS)


def compare_wide(args):
    array = np.random.default_rng(0).standard_normal((300, WIDE))
    frame = pd.DataFrame(array).add_prefix("c")
    for name, estimator in ESTIMATORS.items():
        fits, rows = [], []
        for X in (array, frame):
            fitted = clone(estimator)
            fits.append(milliseconds(lambda f=fitted, X=X: f.fit(X), 1, args.rounds))
            row = X[:1]
            ask = partial(fitted.score_samples, row)
            rows.append(milliseconds(ask, 20, args.rounds))
        for what, (of_array, of_frame), most in (
            ("a row", rows, MOST_OF_ROW),
            ("a fit", fits, MOST_OF_FIT),
        ):
            ratio = of_frame / of_array
            claim = f"{name}: {what} of {WIDE} columns, frame to array"
            verdict(claim, f"{ratio:.2f}", f"<= {most}", ratio <= most)


PARTS = {"encode": compare_encoders, "row": score_one_row, "wide": compare_wide}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rows", type=int, default=1_000_000, help="of `encode`")
    parser.add_argument("--rounds", type=int, default=3)
    add_threads_argument(parser)
    _figures.add_argument(parser)
    args = parser.parse_args()

    describe_machine(args.threads)
    for part in args.part:
        PARTS[part](args)
    _figures.write(args)


if __name__ == "__main__":
    main()
