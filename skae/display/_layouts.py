"""Layouts of more than two codes in the plane."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

Layout: TypeAlias = Literal["pca", "tsne", "umap"]

PERPLEXITY, N_NEIGHBORS = 30.0, 15
LEAST_ROWS = 4
# Codes that differ by less, relative to their size, are one point to float32.
ROUNDING = 1e-6


def _by_pca(codes: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    return PCA(2, random_state=rng).fit_transform(codes)


def _by_tsne(codes: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    perplexity = min(PERPLEXITY, (len(codes) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=rng)
    return tsne.fit_transform(codes)


def _by_umap(codes: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    try:
        from umap import UMAP
    except ImportError as error:
        raise ImportError(
            "layout='umap' needs the package umap-learn, which is not installed; install it "
            "(pip install umap-learn), or use layout='tsne'."
        ) from error
    n_neighbors = min(N_NEIGHBORS, len(codes) - 1)
    # Spectral starts fail on few rows.
    init = "spectral" if len(codes) > 4 * N_NEIGHBORS else "random"
    seed = rng.randint(np.iinfo(np.int32).max)
    umap = UMAP(n_neighbors=n_neighbors, init=init, random_state=seed, n_jobs=1)
    return np.asarray(umap.fit_transform(codes))


LAYOUTS = {"pca": (_by_pca, "PCA"), "tsne": (_by_tsne, "t-SNE"), "umap": (_by_umap, "UMAP")}


def lay_out(
    codes: np.ndarray, layout: Layout, rng: np.random.RandomState
) -> tuple[np.ndarray, list[str]]:
    """Return coordinates of shape (n_samples, 1 or 2), and the labels of the axes.

    Raises
    ------
    ValueError
        If the layout is not known, or there are fewer than four rows to lay out.
    """
    if not isinstance(layout, str) or layout not in LAYOUTS:
        raise ValueError(f"layout={layout!r}; it is one of 'pca', 'tsne' and 'umap'.")
    n_rows, n_components = codes.shape
    if n_components <= 2:
        return codes, [f"code {i}" for i in range(n_components)]
    embed, name = LAYOUTS[layout]
    if n_rows < LEAST_ROWS:
        raise ValueError(
            f"{n_rows} rows are too few to embed {n_components} codes by {name}; give "
            f"{LEAST_ROWS} or more."
        )
    labels = [f"{name} of {n_components} codes, axis {i}" for i in (1, 2)]
    codes = np.ascontiguousarray(codes, dtype=np.float32)
    if np.ptp(codes, axis=0).max() <= ROUNDING * np.abs(codes).max():
        return np.zeros((n_rows, 2)), labels
    return embed(codes, rng), labels
