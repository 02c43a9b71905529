"""Types of what users pass to estimators and get back."""

from typing import Any, TypeAlias

from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix

# A data frame of pandas, polars or pyarrow, an array or nested sequences; or sparse.
Table: TypeAlias = ArrayLike | sparray | spmatrix
# A data frame of the library of X; of pandas, if X is no frame.
Frame: TypeAlias = Any
