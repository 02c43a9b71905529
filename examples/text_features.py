"""Sparse text features reduced to a few codes, and a classifier with few labels.

2,000 short reports on eight topics are generated here. Each topic has its own vocabulary with
more words than a report can use, and half of the words of a report are common ones. TF-IDF
turns them into a sparse matrix, which the autoencoder accepts as it is: it is never made dense
as a whole. All reports train the codes; only 80 of them have a label.

Bags of words of this kind are nearly linear: the autoencoder finds no nonlinearity that helps on
held-out reports, keeps its linear start, and is on a par with TruncatedSVD. Both are far better
than the words themselves.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skae import AutoencoderTransformer

PICTURE = "text_features.png"
N_TEXTS, N_LABELLED, N_COMPONENTS = 2000, 80, 8
COLORS = ["#bbbbbb", "#7f7f7f", "#d95f02"]
TOPICS = ["weather", "sport", "music", "cooking", "travel", "money", "health", "games"]
SYLLABLES = ["ka", "lo", "mi", "ne", "pu", "ra", "si", "to", "ve", "zu", "bri", "den"]


def make_texts(rng):
    """Return reports and their topics."""

    def words(n):
        return ["".join(rng.choice(SYLLABLES, rng.integers(2, 5))) for _ in range(n)]

    common, vocabularies = words(300), [words(120) for _ in TOPICS]
    topics = rng.integers(len(TOPICS), size=N_TEXTS)
    texts = []
    for topic in topics:
        other = vocabularies[rng.integers(len(TOPICS))]
        chosen = [
            *rng.choice(common, 15),
            *rng.choice(vocabularies[topic], 9),
            *rng.choice(other, 6),  # no report is about its topic only
        ]
        texts.append(" ".join(rng.permutation(chosen)))
    return texts, topics


rng = np.random.default_rng(0)
texts, topics = make_texts(rng)
split = StratifiedShuffleSplit(20, train_size=N_LABELLED, random_state=0)
autoencoder = AutoencoderTransformer(N_COMPONENTS, random_state=0)
reducers = {
    "TF-IDF": "passthrough",
    "TruncatedSVD": TruncatedSVD(N_COMPONENTS, random_state=0),
    "autoencoder": autoencoder,
}
accuracies = {}
print(f"Accuracy with {N_LABELLED} labels (mean of 20 draws):")
for name, reducer in reducers.items():
    features = make_pipeline(
        TfidfVectorizer(min_df=3), reducer, StandardScaler(with_mean=False)
    )
    X = features.fit_transform(texts)
    classifier = LogisticRegression(max_iter=1000)
    accuracies[name] = cross_val_score(classifier, X, topics, cv=split).mean()
    print(f"  {name:14s} {X.shape[1]:4d} columns  {accuracies[name]:.3f}")
print(
    f"Epoch whose weights the autoencoder kept: {autoencoder.best_iter_} (0: its linear start)"
)

codes = make_pipeline(TfidfVectorizer(min_df=3), AutoencoderTransformer(random_state=0))
Z = codes.fit_transform(texts)
figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), width_ratios=[2, 3])
bars = left.bar(list(accuracies), list(accuracies.values()), color=COLORS)
left.tick_params(axis="x", labelsize=8)
left.bar_label(bars, fmt="%.2f")
left.set(ylabel="accuracy", ylim=(0, 1))
left.set_title(f"Classification of eight topics with {N_LABELLED} labels")
for topic, name in enumerate(TOPICS):
    right.scatter(*Z[topics == topic].T, s=6, color=plt.cm.tab10(topic), label=name)
right.set(xlabel="code 1", ylabel="code 2")
right.set_title("Two codes of an autoencoder (no labels used)")
right.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
figure.savefig(PICTURE, dpi=120)
print(f"Picture: {PICTURE}")
