"""What a fit asks of the codes besides reconstruction of the rows.

A penalty of your own is a subclass of `Penalty` with one method; see there.
"""

from skae.penalties.contractive import Contractive
from skae.penalties.neighbors import NeighborEmbedding
from skae.penalties.orthogonal import Orthogonal
from skae.penalties.penalty import Penalty
from skae.penalties.sparsity import KLSparsity, L1Activity

__all__ = [
    "Contractive",
    "KLSparsity",
    "L1Activity",
    "NeighborEmbedding",
    "Orthogonal",
    "Penalty",
]
