"""Files that are safe to load: skops, with the classes of this package."""

import io
import json
import os
import zipfile
from collections.abc import Sequence
from importlib import import_module
from math import prod
from typing import Any

import numpy as np
from numpy.lib import format as npy
from sklearn.base import BaseEstimator

from skae._component import Setting
from skae._entry import EntryPoints
from skae._new_file import new_file
from skae.stored.known import KNOWN

# Of a file, unpacked: so many times its size, and so many bytes besides.
MOST_TIMES, MOST_MORE = 20, 2**26
# Rooms with estimators that no other estimator holds.
ESTIMATORS = {
    "anomaly": ("AEAnomalyDetector",),
    "gan": ("GANSampler",),
    "imputer": ("AutoencoderImputer",),
}


def trusted_types() -> list[str]:
    """Return the names of this package's classes that files hold.

    These are the estimators, and the objects of settings that stand in their parameters.
    What a fit has learned is of builtins and numpy arrays.

    Returns
    -------
    names : list of str
        For the parameter `trusted` of `skops.io.load`, and `skops_trusted_types` of
        `mlflow.sklearn.log_model`.

    Examples
    --------
    >>> import skae
    >>> "skae.autoencoder.AutoencoderTransformer" in skae.trusted_types()
    True
    """
    names = []
    for room, classes in (KNOWN | ESTIMATORS).items():
        module = import_module(f"skae.{room}")
        names += [
            f"skae.{room}.{name}"
            for name in classes
            if isinstance(getattr(module, name), type)
            and issubclass(getattr(module, name), (EntryPoints, Setting))
        ]
    return sorted(names)


def save(estimator: BaseEstimator, file: str | os.PathLike) -> None:
    """Write an estimator, or a Pipeline that holds one, to a skops file.

    The file is written beside, and renamed when it is complete: what was there before
    stays until then.

    Parameters
    ----------
    estimator : estimator
        Fitted or not.
    file : str or path
        By convention with the suffix ".skops".

    Raises
    ------
    ImportError
        If skops is not installed.
    OSError
        If no file can be there: its directory is missing, or it is one itself.
    TypeError
        If the estimator holds an object that skops cannot store. Nothing has been written.

    See Also
    --------
    load : Read it again.
    skops.io.dump : The same, without the file beside.
    """
    dumps = _skops().dumps
    with new_file(file) as beside:
        beside.write_bytes(dumps(estimator))


def load(file: str | os.PathLike, *, trusted: Sequence[str | type] = ()) -> Any:
    """Read what `save`, `skops.io.dump` or MLflow has written.

    Nothing in the file is executed, whoever wrote it, and it takes no more memory than a
    small multiple of its size. Objects are of classes of this package, of those that skops
    trusts (numpy's, scipy's and scikit-learn's), or of those that are named.

    Parameters
    ----------
    file : str or path
    trusted : list of str or type, default=()
        Other classes that are known and trusted, such as a torch module or a penalty of
        your own: they are imported, and their ``__setstate__`` is called.

    Returns
    -------
    estimator : estimator
        On the device where it was, if this machine has it; else on the CPU.

    Raises
    ------
    ImportError
        If skops, or the library of the frame that was fitted, is not installed.
    OSError
        If the file cannot be opened.
    TypeError
        If the file names a class that is not trusted.
    ValueError
        If it is no such file, was damaged or altered, or is of a later format.

    Warns
    -----
    StoredVersionWarning
        If later versions have written it; a subclass of scikit-learn's
        `InconsistentVersionWarning`.
    UserWarning
        If this machine lacks the device that the estimator was on.

    Examples
    --------
    >>> import tempfile
    >>> import skae
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> detector = skae.AEAnomalyDetector(max_iter=20, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     skae.save(detector, f"{folder}/detector.skops")
    ...     loaded = skae.load(f"{folder}/detector.skops")
    >>> bool((loaded.predict(X) == detector.predict(X)).all())
    True
    """
    io_of_skops = _skops()
    from skops.io.exceptions import UntrustedTypesFoundException

    with open(file, "rb") as stream:
        data = stream.read()
    try:
        _check_size(data, MOST_TIMES * len(data) + MOST_MORE)
        return io_of_skops.loads(data, trusted=[*trusted_types(), *trusted])
    except UntrustedTypesFoundException as error:
        raise TypeError(
            f"{os.fspath(file)} holds objects of classes that are neither skae's nor among "
            f"those that skops trusts. {error} If you know what they do, load it with "
            f"trusted=[...], the names of these classes."
        ) from error
    except ImportError:
        raise
    except (Exception, RecursionError) as error:
        if isinstance(error, ValueError) and "cannot be read: " in str(error):
            raise
        raise ValueError(
            f"{os.fspath(file)} cannot be read: it is no file of skae.save or skops, or was "
            f"damaged or altered ({type(error).__name__}: {error})."
        ) from error


def _skops():
    try:
        import skops.io
    except ImportError as error:
        raise ImportError(
            "Safe files need skops, which is not installed; install it, for example by "
            "pip install 'skae[files]'."
        ) from error
    return skops.io


# ------------------------------------------------------------------ before it is read


def _check_size(data, most, depth=0):
    """Raise unless what a file unpacks to is bounded, and arrays are what they say."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
        if total > most:
            raise ValueError(
                f"it unpacks to {total} bytes, which is out of proportion to its size"
            )
        for member in members:
            if member.filename.endswith(".npy"):
                with archive.open(member) as stream:
                    _check_array(stream, member.file_size)
            elif member.filename.endswith(".npz"):
                if depth:
                    raise ValueError("it holds an archive within an archive")
                _check_size(archive.read(member), most, depth + 1)
        if not depth:
            json.loads(archive.read("schema.json"))


def _check_array(stream, size):
    version = npy.read_magic(stream)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in read:
        raise ValueError(f"it holds an array in version {version} of numpy's format")
    shape, _, dtype = read[version](stream)
    if dtype.hasobject or prod(shape) * dtype.itemsize > size:
        raise ValueError(
            f"it holds an array of shape {shape} and dtype {np.dtype(dtype)} in "
            f"{size} bytes"
        )
