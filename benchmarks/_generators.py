"""Sample a generator of tables: run by `generation.py` in an environment that has the peers.

python benchmarks/_generators.py NAME train.csv samples.csv N_TIMED N SEED [category ...]

Prints the seconds of the fit and of the first N_TIMED of N samples. Training rows hold no
missing cells; moments are numbers. Each function fits, and returns what samples n rows. Needs
`ctgan` (CTGAN, TVAE), `copulas` and `rdt` (GaussianCopula), `arfpy`, and `ForestDiffusion`,
each with its defaults but where this file says otherwise.
"""

import os
import sys
import time
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd


def _ctgan(name, train, seed, categories):
    import ctgan
    import torch

    torch.set_num_threads(1)
    model = getattr(ctgan, name)(verbose=False)
    model.set_random_state(seed)
    model.fit(train, discrete_columns=categories)
    return model.sample


def tvae(*args):
    return _ctgan("TVAE", *args)


def ctgan(*args):
    return _ctgan("CTGAN", *args)


def gaussian_copula(train, seed, categories):
    """A normal copula, categories as SDV's synthesizer has them: intervals of a uniform."""
    from copulas.multivariate import GaussianMultivariate
    from rdt.transformers import UniformEncoder

    encoders, encoded = {}, train.copy()
    for name in categories:
        encoders[name] = UniformEncoder()
        encoded = encoders[name].fit_transform(encoded, name)
    model = GaussianMultivariate(random_state=seed)
    model.fit(encoded)

    def sample(n):
        rows = model.sample(n)
        for name in categories:
            rows[name] = rows[name].clip(0.0, 1.0)
            rows = encoders[name].reverse_transform(rows)
        return rows

    return sample


def arf(train, seed, categories):
    from arfpy import arf as forests

    # numpy 2.4 took away a name that it needs.
    np.in1d = np.isin  # noqa: NPY201  the name that arfpy asks for
    # Levels are numbered: text of pandas' newer type is not "object" to it.
    levels = {name: pd.factorize(train[name], sort=True) for name in categories}
    coded = train.assign(
        **{name: pd.Categorical(codes) for name, (codes, _) in levels.items()}
    )
    model = forests.arf(coded, verbose=False, random_state=seed)
    model.forde()

    def sample(n):
        rows = model.forge(n)
        for name, (_, of_name) in levels.items():
            rows[name] = np.asarray(of_name)[rows[name].astype(int)]
        return rows

    return sample


def forest_diffusion(train, seed, categories):
    """Of its defaults 100 noises a row and 50 noise levels there are 20 and 25 here.

    With those it is ten times slower.
    """
    from ForestDiffusion import ForestDiffusionModel

    codes = {name: pd.factorize(train[name], sort=True) for name in categories}
    X = train.assign(**{name: code for name, (code, _) in codes.items()}).to_numpy(float)
    where = {name: i for i, name in enumerate(train)}
    binary = [where[name] for name in categories if len(codes[name][1]) <= 2]
    model = ForestDiffusionModel(
        X,
        n_t=25,
        duplicate_K=20,
        bin_indexes=binary,
        cat_indexes=[where[n] for n in categories if where[n] not in binary],
        int_indexes=[where[n] for n in train if pd.api.types.is_integer_dtype(train[n])],
        n_jobs=1,
        seed=seed,
        nthread=1,
    )

    def sample(n):
        rows = pd.DataFrame(model.generate(n), columns=list(train))
        for name, (_, levels) in codes.items():
            rows[name] = np.asarray(levels)[rows[name].astype(int)]
        return rows

    return sample


GENERATORS = {
    "GaussianCopula": gaussian_copula,
    "arfpy": arf,
    "TVAE": tvae,
    "CTGAN": ctgan,
    "ForestDiffusion": forest_diffusion,
}


def main(name, train_path, samples_path, n_timed, n_samples, seed, *categories):
    warnings.simplefilter("ignore")
    train = pd.read_csv(train_path, dtype=dict.fromkeys(categories, object))
    # Some of them draw from the global state.
    np.random.seed(int(seed))  # noqa: NPY002  they draw from it
    start = time.perf_counter()
    sample, n_timed = GENERATORS[name](train, int(seed), list(categories)), int(n_timed)
    rows = sample(n_timed)
    print(time.perf_counter() - start)
    if int(n_samples) > n_timed:
        rows = pd.concat([rows, sample(int(n_samples) - n_timed)], ignore_index=True)
    rows[list(train)].to_csv(samples_path, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
