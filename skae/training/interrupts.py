"""Ctrl-C, told from a callback that asks to stop in skorch's way: by raising the same."""

import signal
import threading


class InterruptWatch:
    """Notes whether SIGINT arrived inside the context; the handler that was there acts.

    skorch's `EarlyStopping` raises KeyboardInterrupt, and so does Python when the user
    presses Ctrl-C. Only the latter is announced by a signal, and only to the main thread.

    Attributes
    ----------
    received : bool
    """

    def __init__(self):
        self.received = False
        self._previous = None

    def __enter__(self):
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and callable(signal.getsignal(signal.SIGINT)):
            self._previous = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exception):
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _note(self, number, frame):
        self.received = True
        return self._previous(number, frame)
