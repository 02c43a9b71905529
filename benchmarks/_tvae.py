"""Sample a TVAE: run by `family_generation.py` in an environment that has `ctgan`.

python benchmarks/_tvae.py train.csv samples.csv N_SAMPLES SEED [category ...]
"""

import sys
import time

import pandas as pd
import torch
from ctgan import TVAE


def main(train_path, samples_path, n_samples, seed, *categories):
    torch.set_num_threads(1)
    train = pd.read_csv(train_path)
    model = TVAE(verbose=False)
    model.set_random_state(int(seed))
    start = time.perf_counter()
    model.fit(train, discrete_columns=list(categories))
    print(time.perf_counter() - start)
    model.sample(int(n_samples)).to_csv(samples_path, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
