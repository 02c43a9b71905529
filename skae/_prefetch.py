"""The next item is made while the last one is used."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

END = object()


def prefetched(items):
    """Yield the items of a generator, each of which is made in another thread, one ahead."""
    with closing(items), ThreadPoolExecutor(1) as worker:
        coming = worker.submit(next, items, END)
        try:
            while (item := coming.result()) is not END:
                coming = worker.submit(next, items, END)
                yield item
        finally:
            if not coming.cancel():
                coming.exception()  # waits; what nobody asks for any more may fail
