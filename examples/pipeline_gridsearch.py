"""PCA and the autoencoder in one grid search, followed by a classifier on the codes.

One Pipeline and one GridSearchCV search over both reducers and their number of components, as
with any scikit-learn estimator.
"""

import matplotlib

matplotlib.use("Agg")
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from skae import AutoencoderTransformer

PICTURE = "pipeline_gridsearch.png"
COMPONENTS = [2, 4, 8]

X, y = load_digits(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

pipeline = Pipeline([("reduce", PCA()), ("classify", KNeighborsClassifier())])
grid = {
    # scale=False: errors are measured in the original units, as by PCA.
    "reduce": [PCA(), AutoencoderTransformer(scale=False, random_state=0)],
    "reduce__n_components": COMPONENTS,
}
search = GridSearchCV(pipeline, grid, cv=3).fit(X_train, y_train)

results = pd.DataFrame(search.cv_results_)
results["reducer"] = [type(reducer).__name__ for reducer in results["param_reduce"]]
table = results.pivot_table(
    index="param_reduce__n_components", columns="reducer", values="mean_test_score"
)
print("Accuracy of nearest neighbours on the codes, cross-validated:")
print(table.round(3).to_string())
best = search.best_estimator_["reduce"]
accuracy = search.score(X_test, y_test)
print(f"Best: {type(best).__name__}({best.n_components}), {accuracy:.3f} on held-out rows")

ax = table.plot.bar(rot=0, figsize=(6, 3.6), color=["#d95f02", "#7f7f7f"])
for bars in ax.containers:
    ax.bar_label(bars, fmt="%.2f", fontsize=8)
ax.set(xlabel="number of codes", ylabel="accuracy (3-fold)", ylim=(0, 1.1))
ax.set_title("Classification of ten digits by nearest neighbours on the codes")
ax.legend(loc="upper left", ncols=2, frameon=False)
ax.spines[["top", "right"]].set_visible(False)
ax.figure.tight_layout()
ax.figure.savefig(PICTURE, dpi=120)
print(f"Picture: {PICTURE}")
