import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import chi2_contingency
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from skae import VQVAETransformer
from skae.models.chow_liu import ChowLiuTree
from skae.models.quantized import Quantizer, deal

pytestmark = pytest.mark.rounding

QUICK = {"max_iter": 4, "random_state": 0}


def _quick(n_components=4, n_blocks=2, **params):
    return VQVAETransformer(n_components, n_blocks=n_blocks, **{**QUICK, **params})


@pytest.fixture(scope="module")
def digits():
    return train_test_split(load_digits().data, test_size=0.5, random_state=0)


# ---------------------------------------------------------------- what it is for


@pytest.fixture(scope="module")
def vqvae(digits):
    return VQVAETransformer(scale=False, early_stopping=False, random_state=0).fit(
        digits[0]
    )


def test_restores_better_than_k_means_with_as_many_centres(vqvae, digits):
    """Four blocks of 64 entries against k-means with 64 centres in each quarter of a row."""
    train, test = digits
    assert vqvae.codebook_.shape == (4, 64, 2)
    assert vqvae.codebook_usage_ >= 0.8
    restored = np.empty_like(test)
    for columns in np.split(np.arange(64), 4):
        clusters = KMeans(64, random_state=0).fit(train[:, columns])
        restored[:, columns] = clusters.cluster_centers_[clusters.predict(test[:, columns])]
    own = vqvae.inverse_transform(vqvae.transform(test))
    assert np.square(own - test).mean() < np.square(restored - test).mean()


def test_starts_at_product_quantisation_of_pca(ppca):
    """Nothing to gain beyond PCA: the start is kept, and is k-means block by block."""
    vqvae = _quick(2, 2, codebook_size=8, scale=False, max_iter=1).fit(ppca.train)
    assert vqvae.best_iter_ in (0, 1)
    codes = PCA(2).fit(ppca.train)
    parts = codes.transform(ppca.train)
    for column in parts.T:
        clusters = KMeans(8, random_state=0).fit(column[:, None])
        column[:] = clusters.cluster_centers_[clusters.labels_][:, 0]
    expected = np.square(codes.inverse_transform(parts) - ppca.train).mean()
    own = vqvae.inverse_transform(vqvae.transform(ppca.train))
    assert np.square(own - ppca.train).mean() == pytest.approx(expected, rel=0.03)


def test_samples_keep_what_hangs_together(vqvae, digits):
    train, _ = digits
    rows = vqvae.sample(2000, random_state=0)
    assert rows.shape == (2000, 64)
    np.testing.assert_allclose(rows.mean(axis=0), train.mean(axis=0), atol=0.8)
    ours, theirs = (np.cov(table.T) for table in (rows, train))
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9


# ---------------------------------------------------------------- codes


def test_vectors_are_entries(X):
    vqvae = _quick(codebook_size=8).fit(X)
    vectors = vqvae.transform(X)
    assert vectors.shape == (len(X), 4)
    for block, entries in enumerate(vqvae.codebook_):
        part = vectors[:, 2 * block : 2 * block + 2]
        distances = np.linalg.norm(part[:, None] - entries, axis=2).min(axis=1)
        assert distances.max() < 1e-6


def test_indices_and_vectors_say_the_same(X):
    vectors, indices = (_quick(encoding=e).fit(X) for e in ("vectors", "indices"))
    codes = indices.transform(X)
    assert codes.shape == (len(X), 2)
    assert codes.dtype == np.int64
    assert codes.min() >= 0
    assert codes.max() < indices.codebook_size_
    np.testing.assert_allclose(
        np.hstack([vectors.codebook_[b][codes[:, b]] for b in range(2)]),
        vectors.transform(X),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        indices.inverse_transform(codes), vectors.inverse_transform(vectors.transform(X))
    )
    assert len(indices.get_feature_names_out()) == 2
    assert len(vectors.get_feature_names_out()) == 4


def test_set_output(X):
    frame = pd.DataFrame(X, columns=list("abcde"))
    vqvae = _quick(encoding="indices").set_output(transform="pandas").fit(frame)
    assert list(vqvae.transform(frame).columns) == [
        "vqvaetransformer0",
        "vqvaetransformer1",
    ]


def test_mixed_frame(X):
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame["kind"] = np.where(X[:, 0] > 0, "plus", "minus")
    frame.loc[::7, "b"] = np.nan
    vqvae = _quick(6, 3).fit(frame)
    restored = vqvae.inverse_transform(vqvae.transform(frame))
    assert list(restored.columns) == list(frame.columns)
    assert set(restored["kind"]) <= {"plus", "minus"}
    assert not vqvae.impute(frame).isna().any().any()
    contributions = vqvae.explain(frame)
    np.testing.assert_allclose(
        contributions.sum(axis=1), -vqvae.score_samples(frame), rtol=1e-5
    )
    assert vqvae.sample(3, random_state=0).shape == (3, 6)


def test_score_is_minus_the_mean_squared_error(X):
    vqvae = _quick().fit(X)
    restored = vqvae.inverse_transform(vqvae.transform(X))
    expected = -np.square((restored - X) / X.std(axis=0)).mean(axis=1)
    np.testing.assert_allclose(vqvae.score_samples(X), expected, rtol=1e-5)


# ---------------------------------------------------------------- contract


def test_same_seed_same_bits(X):
    state = torch.get_rng_state()
    one, other = (_quick(max_iter=10).fit(X) for _ in range(2))
    np.testing.assert_array_equal(one.transform(X), other.transform(X))
    np.testing.assert_array_equal(
        one.sample(5, random_state=0), other.sample(5, random_state=0)
    )
    assert torch.equal(state, torch.get_rng_state())


def test_pickles_and_clones(X):
    vqvae = _quick().fit(X)
    again = pickle.loads(pickle.dumps(vqvae))
    np.testing.assert_array_equal(again.transform(X), vqvae.transform(X))
    np.testing.assert_array_equal(clone(vqvae).fit(X).transform(X), vqvae.transform(X))


def test_kept_state_is_that_of_its_epoch(digits):
    """The codebook moves in every step; what is kept is that of the epoch as well."""
    train, _ = digits
    vqvae = _quick(8, 4, max_iter=12, scale=False, learning_rate_init=0.05, refit=False)
    vqvae.fit(train)
    rng = np.random.RandomState(0)
    rows = np.arange(len(train))
    rng.shuffle(rows)
    held_out = train[rows[-round(vqvae.validation_fraction_ * len(train)) :]]
    expected = vqvae.validation_loss_curve_[vqvae.best_iter_]
    assert -vqvae.score(held_out) == pytest.approx(expected, rel=1e-3)


def test_partial_fit_and_warm_start(X):
    vqvae = _quick(codebook_size=8, warm_start=True)
    for _ in range(3):
        vqvae.partial_fit(X)
    vqvae.fit(X).fit(X)
    with pytest.raises(ValueError, match=r"codebook_size=8, but codebook_size=4 now"):
        vqvae.set_params(codebook_size=4).fit(X)


# ---------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"codebook_size": 500}, r"codebook_size=500 is more than the \d+ rows.*at most"),
        ({"n_components": 5}, "n_components=5 is no multiple of n_blocks=2"),
        ({"n_components": 0.5}, "'n_components' parameter"),
        ({"encoding": "letters"}, "'encoding' parameter"),
    ],
)
def test_bad_parameters_are_an_error(X, params, message):
    vqvae = _quick(**params)
    with pytest.raises(ValueError, match=message):
        vqvae.fit(X)
    assert not hasattr(vqvae, "net_")


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[0, 1, 2]], "X has 3 columns.*n_blocks=2"),
        ([[0, 99]], "X holds 99, but entries are numbered from 0"),
        ([[0, 0.5]], r"X holds 0\.5"),
    ],
)
def test_bad_indices_are_an_error(X, codes, message):
    vqvae = _quick(encoding="indices").fit(X)
    with pytest.raises(ValueError, match=message):
        vqvae.inverse_transform(codes)


def test_unused_codebook_warns():
    X = np.repeat(np.eye(3), 50, axis=0)
    with pytest.warns(ConvergenceWarning, match=r"of the codebook is in use.*smaller"):
        _quick(2, 1, codebook_size=64).fit(X)


# ---------------------------------------------------------------- parts


def test_entries_follow_the_codes():
    """Two clouds: an entry near each, and a dead one that starts anew at a code."""
    quantizer = Quantizer(1, 3, 2).train()
    quantizer.generator = torch.Generator().manual_seed(0)
    entries = torch.tensor([[[-1.0, 0.0], [1.0, 0.0], [90.0, 90.0]]])
    quantizer.start_from(entries, torch.full((1, 3), 1 / 3))
    codes = torch.tensor([[-2.0, 0.0], [2.0, 0.0]]).repeat(10, 1)
    for _ in range(60):
        quantizer(codes)
    places = {tuple(entry) for entry in quantizer.entries[0].round(decimals=2).tolist()}
    assert places == {(-2.0, 0.0), (2.0, 0.0)}
    quantizer.eval()
    before = quantizer.entries.clone()
    torch.testing.assert_close(quantizer(codes), codes, atol=0.01, rtol=0)
    assert torch.equal(before, quantizer.entries)


def test_quantizer_takes_the_nearest():
    generator = torch.Generator().manual_seed(0)
    quantizer = Quantizer(3, 5, 2).eval()
    entries = torch.randn(3, 5, 2, generator=generator)
    quantizer.start_from(entries, torch.full((3, 5), 0.2))
    codes = torch.randn(20, 6, generator=generator)
    indices = quantizer.nearest(codes)
    for block in range(3):
        distances = torch.cdist(codes[:, 2 * block : 2 * block + 2], entries[block])
        assert torch.equal(indices[:, block], distances.argmin(dim=1))
    assert torch.equal(quantizer(codes), quantizer.look_up(indices))


def test_components_are_dealt_there_and_back():
    assert deal(2, 3).tolist() == [0, 3, 4, 1, 2, 5]


def test_tree_joins_what_hangs_together():
    """A chain 2 - 0 - 1 of three variables, and a fourth that stands alone."""
    rng = np.random.RandomState(0)
    first = rng.randint(4, size=4000)
    noisy = [
        np.where(rng.rand(4000) < 0.8, first, rng.randint(4, size=4000)) for _ in range(2)
    ]
    levels = np.column_stack([first, *noisy, rng.randint(4, size=4000)])
    tree = ChowLiuTree().fit(levels, 4)
    drawn = tree.sample(4000, np.random.RandomState(1))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.mean(drawn[:, i] == drawn[:, j]) == pytest.approx(
            np.mean(levels[:, i] == levels[:, j]), abs=0.04
        )
    tables = np.zeros((4, 4))
    np.add.at(tables, (drawn[:, 0], drawn[:, 3]), 1)
    assert chi2_contingency(tables).pvalue > 0.001
