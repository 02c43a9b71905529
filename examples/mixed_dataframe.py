"""A DataFrame as it is: find wrong rows and cells, impute missing values, sample new rows.

The table of 3,000 employees is generated here: numbers, text, an ordered category, booleans and
a date; one cell in ten is missing. In one row of fifty, three cells come from records of other
people. Each is ordinary by itself, but does not agree with the rest of the row. Nothing is
encoded, scaled or imputed beforehand, and the output has the columns, dtypes and units of the
input.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from skae import AEAnomalyDetector, VAETransformer

PICTURE = "mixed_dataframe.png"
N_ROWS, FRACTION_WRONG, FRACTION_MISSING = 3000, 0.02, 0.1
SHOWN = 7  # an engineer of 40 with three cells of another person
SLIPS = {"age": 66, "occupation": "cleaner", "years of work": 1}
TODAY = pd.Timestamp("2025-01-01")
SCHOOLS = ["primary", "secondary", "bachelor", "master", "doctorate"]
# Wage per hour, hours per week, and relative frequency of the job after each school.
JOBS = {
    "cleaner": (12, 25, [6, 2, 0.1, 0, 0]),
    "driver": (15, 45, [4, 3, 0.2, 0, 0]),
    "nurse": (19, 36, [0, 3, 2, 0.3, 0]),
    "clerk": (17, 38, [0, 4, 2, 0.5, 0.1]),
    "engineer": (27, 40, [0, 0, 3, 4, 2]),
    "physician": (40, 50, [0, 0, 0, 1, 4]),
}


def make_employees(n, rng):
    """Return a table whose columns depend on each other as in real life."""

    def happens(probability):
        return rng.random(n) < probability

    school = rng.choice(5, n, p=[0.15, 0.4, 0.25, 0.13, 0.07])
    years_of_school = np.array([9, 12, 16, 18, 22])[school] + rng.integers(-1, 2, n)
    likely = np.array([after for _, _, after in JOBS.values()])[:, school] + 1e-9
    job = np.argmax(np.log(likely) + rng.gumbel(size=likely.shape), axis=0)
    years_of_work = (60 - years_of_school) * rng.beta(1.1, 1.3, n)
    age = 7 + years_of_school + years_of_work
    here = 365.25 * years_of_work * rng.beta(1.5, 1.5, n)
    wage, hours = (np.array([job[k] for job in JOBS.values()]) for k in (0, 1))
    hours = np.round(hours[job] + rng.normal(0, 3, n))
    salary = 52 * hours * wage[job] * 1.02**years_of_work * rng.lognormal(0, 0.07, n)
    married = happens(1 / (1 + np.exp((30 - age) / 3)))
    integer = "Int64"  # pandas' integers that may be missing
    return pd.DataFrame(
        {
            "age": pd.array(age.astype(int), integer),
            "school": pd.Categorical.from_codes(school, SCHOOLS, ordered=True),
            "years of school": pd.array(years_of_school, integer),
            "occupation": np.array(list(JOBS))[job],
            "hours per week": pd.array(hours.astype(int), integer),
            "salary": pd.array(salary.round(-2).astype(int), integer),
            "years of work": pd.array(years_of_work.astype(int), integer),
            "hired on": (TODAY - pd.to_timedelta(here, "D")).floor("D"),
            "marital status": np.where(
                married, "married", np.where(happens((age - 25) / 60), "divorced", "single")
            ),
            "has children": pd.array(happens(np.where(married, 0.85, 0.08)), "boolean"),
            "owns a home": pd.array(
                happens(1 / (1 + np.exp((55_000 - salary) / 6_000))), "boolean"
            ),
        }
    )


def corrupt(clean, rng):
    """Return the table with wrong and missing cells, and the masks of both."""
    X, n_columns = clean.copy(), clean.shape[1]
    is_wrong = np.zeros(X.shape, dtype=bool)
    for row in rng.permutation(len(X))[: round(FRACTION_WRONG * len(X))]:
        for column in rng.permutation(n_columns)[:3]:
            others = clean.iloc[:, column]
            others = others[others != others[row]]
            X.iloc[row, column] = others.sample(random_state=rng).iloc[0]
            is_wrong[row, column] = True
    is_missing = rng.random(X.shape) < FRACTION_MISSING
    X, is_missing[SHOWN], is_wrong[SHOWN] = X.mask(is_missing), False, False
    X.loc[[SHOWN]] = clean.loc[[SHOWN]]
    for name, value in SLIPS.items():
        X.loc[SHOWN, name] = value
        is_wrong[SHOWN, X.columns.get_loc(name)] = True
    return X, is_wrong, is_missing


def fill_simply(X):
    """Fill numeric columns and dates with the mean, others with the most frequent level."""
    X = X.copy()
    for name, column in X.items():
        value = column.mode()[0] if name in levels else column.mean()
        X[name] = column.fillna(round(value) if name in numbers else value)
    return X


def compare(filled):
    """Return the RMSE of numeric columns in standard deviations, and the accuracy of others."""
    off = (filled[numbers] - clean[numbers]).astype(float) / clean[numbers].std()
    hidden = pd.DataFrame(is_missing, columns=X.columns)
    right = (filled[levels].astype(object) == clean[levels].astype(object)).to_numpy()
    rmse = np.sqrt(np.square(off.to_numpy()[hidden[numbers]]).mean())
    return rmse, right[hidden[levels]].mean()


rng = np.random.default_rng(0)
clean = make_employees(N_ROWS, rng)
X, is_wrong, is_missing = corrupt(clean, rng)
numbers = [name for name in X if X[name].dtype == "Int64"]
levels = [name for name in X if name not in [*numbers, "hired on"]]
print(X.head(4).to_string(), "\n")

# 1. Which rows are wrong, and which of their cells? So few are wrong that each network can
# be trained on more rows than by default, and fewer networks suffice.
detector = AEAnomalyDetector(
    n_estimators=6, max_samples=512, contamination=FRACTION_WRONG, random_state=0
)
found = detector.fit_predict(X) == -1
found_wrong = found & is_wrong.any(axis=1)
contributions, expected = detector.explain(X, expected=True)
first = contributions.to_numpy().argmax(axis=1)
n_right = is_wrong[np.arange(N_ROWS), first][found_wrong].sum()
auroc = roc_auc_score(is_wrong.any(axis=1), -detector.score_samples(X))
print(f"{is_wrong.any(axis=1).sum()} rows contain three wrong cells. AUROC {auroc:.2f}; of")
print(
    f"{found.sum()} rows that are flagged, {found_wrong.sum()} are among them, and in",
    end=" ",
)
print(f"{n_right} of those\nthe cell with the largest contribution is a wrong one.\n")
report = pd.DataFrame(
    {
        "cell": X.loc[SHOWN],
        "expected": expected.loc[SHOWN],
        "contribution": contributions.loc[SHOWN].round(2),
        "before the mistake": clean.loc[SHOWN],
    }
)
print(f"Row {SHOWN}:\n{report.to_string()}\n")

# 2. Impute the missing values, and sample new rows.
vae = VAETransformer(4, random_state=0).fit(X)
print("Imputation                RMSE of numbers (std)     accuracy")
for name, filled in {
    "mean and mode": fill_simply(X),
    "VAETransformer": vae.impute(X),
}.items():
    rmse, accuracy = compare(filled)
    print(f"  {name:14s}{rmse:28.2f}{accuracy:18.0%}")
print(f"\nFive new rows:\n{vae.sample(5, random_state=0).to_string()}\n")

# The picture: contributions of the row's cells, and the expected values.
top = contributions.loc[SHOWN].nlargest(3).index
figure, ax = plt.subplots(figsize=(8, 4.2))
for position, name in enumerate(X):
    is_wrong_cell = name in top
    size = contributions.loc[SHOWN, name]
    ax.barh(position, size, color="#d95f02" if is_wrong_cell else "#bbbbbb", height=0.72)
    if is_wrong_cell:
        ax.text(
            size + 0.02, position, f"expected: {expected.loc[SHOWN, name]}", va="center"
        )
values = [f"{v:%d %b %Y}" if name == "hired on" else v for name, v in X.loc[SHOWN].items()]
labels = [f"{name}:  {value}" for name, value in zip(X, values, strict=True)]
ax.set_yticks(range(len(labels)), labels)
for label, name in zip(ax.get_yticklabels(), X, strict=True):
    label.set_fontweight("bold" if name in top else "normal")
ax.invert_yaxis()
ax.tick_params(axis="y", length=0)
ax.set(xlabel="contribution of the cell to the row's anomaly score")
ax.set_xlim(0, 1.4 * contributions.loc[SHOWN].max())
ax.set_title("An employee's record: three of its cells do not agree with the others")
ax.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
figure.savefig(PICTURE, dpi=120)
print(f"Picture: {PICTURE}")
