"""Arrays of numbers, and what PCA makes of them."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler


def correlated_rows(n_rows, seed, n_columns=5):
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(9).normal(size=(n_columns, n_columns))
    return rng.normal(size=(n_rows, n_columns)) @ mixing


def pca_score(train, test, n_components):
    """Minus the mean squared error of PCA on standardised columns."""
    scaler = StandardScaler().fit(train)
    pca = PCA(n_components).fit(scaler.transform(train))
    rows = scaler.transform(test)
    return -np.mean((rows - pca.inverse_transform(pca.transform(rows))) ** 2)


def auroc(detector, normal, anomalies):
    labels = np.repeat([0, 1], [len(normal), len(anomalies)])
    return roc_auc_score(labels, -detector.score_samples(np.vstack([normal, anomalies])))
