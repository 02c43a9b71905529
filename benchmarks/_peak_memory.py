"""Print the bytes of the data, and those that a fit takes at its peak, data included.

To be run in a process of its own: the peak that a system reports is of its whole life.
"""

import argparse
import resource
import sys

import numpy as np
import psutil
import torch._dynamo  # noqa: F401  torch loads it with the first optimiser: an import, no data
from sklearn.utils import gen_batches

from skae import AutoencoderTransformer

N_FEATURES = 50
BLOCK = 8192


def peak_bytes():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def generate(n_rows):
    """Return standard normal rows without work space beside them."""
    rng = np.random.default_rng(0)
    X = np.empty((n_rows, N_FEATURES), dtype=np.float32)
    for block in gen_batches(n_rows, BLOCK):
        rng.standard_normal(dtype=np.float32, out=X[block])
    return X


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    args = parser.parse_args()

    after_imports, earlier_peak = psutil.Process().memory_info().rss, peak_bytes()
    X = generate(args.rows)
    AutoencoderTransformer(8, max_iter=1, random_state=0).fit(X)
    peak = peak_bytes()
    # Linux hands a parent's peak down to its child: then the fit's own is not known.
    if peak == earlier_peak:
        raise SystemExit("The fit stayed below the peak that this process started with.")
    print(X.nbytes, peak - after_imports)


if __name__ == "__main__":
    main()
