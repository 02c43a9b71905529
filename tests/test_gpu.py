"""Fits on a CUDA device: the same models as on the CPU, which move between the two."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from skae import (
    AdversarialAutoencoderTransformer,
    AEAnomalyDetector,
    AutoencoderTransformer,
    Contractive,
    Convolutional,
    GANSampler,
    MaskingNoise,
    Recurrent,
    VAETransformer,
    VQVAETransformer,
)
from skae.models.deterministic import DeterministicModel
from skae.models.model import Model
from skae.models.variational import VariationalModel
from skae.training.recording import Recording

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
ESTIMATORS = {
    "autoencoder": AutoencoderTransformer(2, max_iter=20),
    "binary": AutoencoderTransformer(2, loss="binary_cross_entropy", max_iter=20),
    "contractive": AutoencoderTransformer(2, penalties=Contractive(), max_iter=20),
    "masking": AutoencoderTransformer(2, corruption=MaskingNoise(), max_iter=20),
    "pretrained": AutoencoderTransformer(2, pretraining="layerwise", max_iter=20),
    "tied": AutoencoderTransformer(2, tied_weights=True, max_iter=20),
    "VAE": VAETransformer(2, max_iter=20),
    "VAE adversary": VAETransformer(2, divergence="adversary", max_iter=20),
    "VAE Student": VAETransformer(2, likelihood="student_t", max_iter=20),
    "VAE Bernoulli": VAETransformer(2, likelihood="bernoulli", max_iter=20),
    "VQ-VAE": VQVAETransformer(4, max_iter=20),
    "adversarial": AdversarialAutoencoderTransformer(2, max_iter=20),
    "GAN": GANSampler(max_iter=20),
    "detector": AEAnomalyDetector(),
    "clean detector": AEAnomalyDetector(contamination=0.0, max_iter=50),
    "detector of clones": AEAnomalyDetector(AutoencoderTransformer(2, max_iter=5)),
}


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(0)
    unit = rng.uniform(size=(300, 4)) @ np.full((4, 6), 0.25)
    unit = np.clip(unit + 0.05 * rng.normal(size=unit.shape), 0, 1)
    frame = pd.DataFrame(unit, columns=[*"abcdef"])
    frame["g"] = pd.cut(frame["a"], 4, labels=["low", "mid", "high", "top"])
    frame["h"] = np.where(frame["b"] > 0.5, "yes", "no")
    frame.loc[::7, "c"] = np.nan
    frame.loc[::11, "h"] = None
    return unit, frame


@pytest.mark.parametrize("kind", ["numeric", "mixed"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_fits_on_the_gpu_and_scores_alike_on_the_cpu(name, kind, tables):
    X = tables[kind == "mixed"]
    model = ESTIMATORS[name].__class__(**ESTIMATORS[name].get_params(deep=False))
    model.set_params(random_state=0, device="cuda").fit(X)
    scores = model.score_samples(X)
    assert np.isfinite(scores).all()
    for method in ("transform", "impute", "explain"):
        if hasattr(model, method):
            getattr(model, method)(X[:20])
    if hasattr(model, "sample"):
        assert len(model.sample(20, random_state=0)) == 20
    if isinstance(model, (AEAnomalyDetector, GANSampler)):
        return
    np.testing.assert_array_equal(scores, model.score_samples(X))
    on_cpu = pickle.loads(pickle.dumps(model))
    on_cpu.net_.module_.cpu()
    on_cpu.device_ = torch.device("cpu")
    np.testing.assert_allclose(on_cpu.score_samples(X), scores, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("network", [Convolutional((2, 3), kernel_size=2), Recurrent(6)])
def test_images_and_sequences(network, tables):
    X = tables[0]
    model = AutoencoderTransformer(2, network=network, max_iter=10, device="cuda")
    assert np.isfinite(model.fit(X).score_samples(X)).all()


def test_learns_as_well_as_on_the_cpu(tables):
    X = tables[0]
    scores = [
        AutoencoderTransformer(2, random_state=0, device=device).fit(X).score(X)
        for device in ("cpu", "cuda")
    ]
    assert abs(scores[0] - scores[1]) < 0.1 * abs(scores[0])


def test_streams(tables):
    X = tables[1]
    model = VAETransformer(2, random_state=0, device="cuda")
    for chunk in (X[:100], X[100:200], X[200:]):
        model.partial_fit(chunk)
    assert np.isfinite(model.score_samples(X)).all()


@pytest.mark.parametrize("kind", ["numeric", "mixed", "weighted"])
@pytest.mark.parametrize("Estimator", [AutoencoderTransformer, VAETransformer])
def test_recorded_steps_are_those_taken_one_by_one(Estimator, kind, tables, monkeypatch):
    X = tables[kind == "mixed"]
    weight = np.linspace(0.5, 1.5, len(X)) if kind == "weighted" else None
    played, replay = [], torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(
        torch.cuda.CUDAGraph, "replay", lambda graph: played.append(1) or replay(graph)
    )

    def fitted():
        model = Estimator(2, random_state=0, max_iter=30, device="cuda", batch_size=32)
        return model.fit(X, sample_weight=weight)

    recorded = fitted()
    n_steps = recorded.n_iter_ * (len(X) * 0.8 // 32)
    assert len(played) > 0.5 * n_steps
    monkeypatch.setattr(Recording, "of", classmethod(lambda *args: None))
    played.clear()
    taken = fitted()
    assert not played
    np.testing.assert_allclose(recorded.loss_curve_[:3], taken.loss_curve_[:3], rtol=1e-3)
    assert abs(recorded.score(X) - taken.score(X)) < 0.05 * (1.0 + abs(taken.score(X)))


@pytest.mark.parametrize("Estimator", [AutoencoderTransformer, VAETransformer])
def test_a_step_that_waits_for_the_device_is_taken(Estimator, tables, monkeypatch):
    model = Estimator(2, random_state=0, max_iter=10, device="cuda", batch_size=32)
    monkeypatch.setattr(Recording, "of", classmethod(lambda *args: None))
    expected = model.fit(tables[0]).loss_curve_
    monkeypatch.undo()
    losses = (
        Model.losses if Estimator is AutoencoderTransformer else VariationalModel.losses
    )

    def waiting(self, *args, **kwargs):
        of_rows, output = losses(self, *args, **kwargs)
        of_rows.sum().item()
        return of_rows, output

    monkeypatch.setattr(DeterministicModel, "losses", waiting)
    monkeypatch.setattr(VariationalModel, "losses", waiting)
    np.testing.assert_allclose(model.fit(tables[0]).loss_curve_, expected, rtol=1e-3)


def test_who_watches_sees_every_step(tables):
    from skorch.callbacks import Callback

    seen = []

    class Watch(Callback):
        def on_batch_end(self, net, batch, **kwargs):
            seen.append(len(batch[0]))

    model = AutoencoderTransformer(
        2,
        max_iter=5,
        callbacks=[Watch()],
        device="cuda",
        batch_size=50,
        early_stopping=False,
    )
    model.fit(tables[0])
    assert seen == 5 * 6 * [50]
