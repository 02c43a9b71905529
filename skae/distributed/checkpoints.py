"""Where the state of a training is kept, and its outcome is put."""

import os
import pickle
from abc import ABC, abstractmethod

from skae._new_file import new_file
from skae.training.callback_copies import cloudpickle

STATE = "state.pkl"


class Checkpoints(ABC):
    """Keeps the state of a training beyond the life of its workers."""

    @abstractmethod
    def load(self):
        """Return the latest state, or None."""

    @abstractmethod
    def save(self, state):
        """Keep a state.

        Every worker calls it at the same time, the first one with the state and the others
        with None.
        """


class FolderCheckpoints(Checkpoints):
    """Keeps the state in a folder that all workers see.

    Parameters
    ----------
    folder : str
    """

    def __init__(self, folder):
        self.folder = folder

    def load(self):
        path = os.path.join(self.folder, STATE)
        if not os.path.exists(path):
            return None
        with open(path, "rb") as file:
            return pickle.load(file)

    def save(self, state):
        if state is not None:
            with new_file(os.path.join(self.folder, STATE)) as beside:
                write(beside, state)


def write(path, value):
    """Write a value to a file that `pickle` reads."""
    with open(path, "wb") as file:
        cloudpickle.dump(value, file)
