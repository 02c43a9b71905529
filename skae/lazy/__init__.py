"""Tables that are read chunk by chunk: files, queries, memory maps, chunks of one's own.

`sources`, `files`, `datasets` and `relations` know what can be read again and again, `joining` what
fits together, `results` what comes out, chunk by chunk; a fit learns the columns and keeps a
sample in one pass (`summary`), encodes the rows into files in random order in another
(`spilled`), and then trains as ever (`fitting`).
"""

from skae.lazy.mapping import map_rows
from skae.lazy.results import LazyRows

__all__ = ["LazyRows", "map_rows"]
