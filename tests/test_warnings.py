import warnings

import numpy as np
import pandas as pd
import pytest
from registry import FITTED, having, make
from sklearn.pipeline import make_pipeline

ROWS = pd.DataFrame({"x": np.arange(8.0), "y": np.arange(8.0) ** 2, "nothing": [None] * 8})
METHODS = ["fit", "partial_fit", "fit_predict", "fit_transform"]
CALLS = [(name, method) for method in METHODS for name in having(method)]
CALLS += [(name, "pipeline") for name in FITTED]


@pytest.mark.parametrize(("name", "call"), CALLS)
def test_warnings_point_at_the_line_of_the_user(name, call):
    estimator = make(name)
    if call == "pipeline":
        estimator, call = make_pipeline(estimator), "fit"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        getattr(estimator, call)(ROWS)
    assert any("columns ['nothing']" in str(w.message) for w in caught)
    assert {w.filename for w in caught} == {__file__}
