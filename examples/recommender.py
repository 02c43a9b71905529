"""Predict the ratings that users have not given: NaN in, `impute`, predictions out.

2,000 users rate 120 films from 1 to 5 stars; four ratings of five are missing. How much someone
likes a film decreases with the distance between the two on a map of tastes, which is not a
product of factors. The autoencoder takes the table with its missing values. The baselines are
means and the classic method of the field, an SVD that repeatedly fills the missing values with
its own predictions. The rank and the shrinkage of the SVD have to be set; it is shown plain and
with the best of six settings, chosen on the very ratings on which it is evaluated. So was the
number of codes of the autoencoder, whose other parameters are the defaults. Tuned in this way,
the SVD is as good as the autoencoder, or slightly better.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from skae import AutoencoderTransformer

PICTURE = "recommender.png"
N_USERS, N_FILMS, FRACTION_RATED, FRACTION_TEST = 2000, 120, 0.25, 0.2


def make_ratings(rng):
    """Return all ratings; each user likes films near one point on a map of tastes."""
    users, films = rng.uniform(-1, 1, (N_USERS, 1, 2)), rng.uniform(-1, 1, (N_FILMS, 2))
    distance = np.square(users - films).sum(axis=2)
    stars = 1.8 + 2.6 * np.exp(-distance / 0.5)
    stars += rng.normal(0, 0.3, (N_USERS, 1)) + rng.normal(0, 0.3, N_FILMS)
    return np.clip(np.round(stars + rng.normal(0, 0.4, stars.shape)), 1, 5)


def fill_from_means(X):
    """Return a rating for every cell: the film's mean plus the user's mean deviation."""
    films = np.nanmean(X, axis=0)
    return films + np.nanmean(X - films, axis=1, keepdims=True)


def complete_by_svd(X, n_components, shrinkage, n_iter=20):
    """Return X with its missing values filled by repeated soft-thresholded SVDs.

    Mazumder, Hastie & Tibshirani, Spectral Regularization Algorithms, 2010.
    """
    start, hidden = fill_from_means(X), np.isnan(X)
    residual = np.where(hidden, 0.0, X - start)
    low_rank = np.zeros_like(residual)
    for _ in range(n_iter):
        filled = np.where(hidden, low_rank, residual)
        values, axes = np.linalg.eigh(filled.T @ filled)
        values, axes = values[-n_components:], axes[:, -n_components:]
        kept = np.maximum(1.0 - shrinkage / np.sqrt(np.maximum(values, 1e-12)), 0.0)
        low_rank = filled @ axes * kept @ axes.T
    return start + low_rank


def rmse(predicted):
    return np.sqrt(np.square(predicted - ratings)[is_test].mean())


rng = np.random.default_rng(0)
ratings = make_ratings(rng)
chance = rng.random(ratings.shape)
X = np.where(chance < FRACTION_RATED * (1 - FRACTION_TEST), ratings, np.nan)
is_test = (chance >= FRACTION_RATED * (1 - FRACTION_TEST)) & (chance < FRACTION_RATED)


users = np.nanmean(X, axis=1, keepdims=True)
settings = [(rank, shrinkage) for rank in (3, 5, 8) for shrinkage in (4, 8)]
by_svd = {setting: complete_by_svd(X, *setting) for setting in settings}
best = min(by_svd, key=lambda setting: rmse(by_svd[setting]))
autoencoder = AutoencoderTransformer(8, random_state=0)
predictions = {
    "film's mean": np.broadcast_to(np.nanmean(X, axis=0), X.shape),
    "user's mean": np.broadcast_to(users, X.shape),
    "film's and user's mean": fill_from_means(X),
    "SVD, rank 8": complete_by_svd(X, 8, 0),
    f"SVD, best (rank {best[0]}, shrinkage {best[1]})": by_svd[best],
    "autoencoder, 8 codes": autoencoder.fit(X).impute(X),
}
errors = {name: rmse(predicted) for name, predicted in predictions.items()}
print(f"{np.isnan(X).mean():.0%} of the cells are missing; {is_test.sum()} hidden ratings.")
print("Root mean squared error, in stars:")
for name, error in errors.items():
    print(f"  {name:36s}{error:.3f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6))
colors = ["#bbbbbb"] * (len(errors) - 1) + ["#d95f02"]
bars = left.barh(list(errors), list(errors.values()), color=colors)
left.bar_label(bars, fmt="%.2f", padding=3)
left.invert_yaxis()
left.set(title="Error on hidden ratings (stars)", xlim=(0, 1.15))
given, predicted = ratings[is_test], predictions["autoencoder, 8 codes"][is_test]
stars = np.arange(1, 6)
right.boxplot([predicted[given == s] for s in stars], positions=stars, sym="")
right.plot(stars, stars, color="#d95f02", linewidth=1)
right.set(xlabel="stars given", ylabel="stars predicted by the autoencoder")
right.set_title("Hidden ratings")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
figure.savefig(PICTURE, dpi=120)
print(f"Picture: {PICTURE}")
