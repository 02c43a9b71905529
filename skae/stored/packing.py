"""The form in which state is stored, with the versions that wrote it."""

import hashlib
import json

import numpy as np
import sklearn
import torch
from sklearn.exceptions import InconsistentVersionWarning

from skae._version import __version__
from skae._warnings import warn
from skae.stored.reader import Reader
from skae.stored.writer import Writer
from skae.training.devices import resolve_device

# Of what is written, and the earliest that reads it.
FORMAT, READABLE_FROM = 1, 1
WHOLE = {"format", "readable_from", "versions", "description", "arrays", "others", "digest"}


class StoredVersionWarning(InconsistentVersionWarning):
    """A fitted estimator was stored by other versions than those that read it.

    Attributes
    ----------
    estimator_name : str
    current_sklearn_version, original_sklearn_version : str
    newer : dict of str to tuple (stored, installed)
        Of the packages, and of the format, what has changed.
    """

    def __init__(self, *, estimator_name, newer, original_sklearn_version):
        super().__init__(
            estimator_name=estimator_name,
            current_sklearn_version=sklearn.__version__,
            original_sklearn_version=original_sklearn_version,
        )
        self.newer = newer

    def __str__(self):
        parts = [
            f"{name} {stored} (here {here})" for name, (stored, here) in self.newer.items()
        ]
        return (
            f"{self.estimator_name} was stored by {', '.join(parts)}. What it returns may "
            "differ, or fail; install these versions, or fit and store it again."
        )


def pack(state, beside, name):
    """Return the stored form of a dict of attributes.

    Parameters
    ----------
    state : dict
    beside : dict
        What is stored beside it, which the digest covers as far as it is of builtins.
    name : str
        Of the class.

    Returns
    -------
    packed : dict
        Of strings, numbers, arrays and, in ``others``, objects that are not skae's.
    """
    writer = Writer()
    description = json.dumps(writer.write(state), separators=(",", ":"))
    packed = {
        "format": FORMAT,
        "readable_from": READABLE_FROM,
        "versions": installed(),
        "description": description,
        "arrays": writer.pools.joined(),
        "others": writer.others,
    }
    return {**packed, "digest": _digest(packed, beside, name)}


def unpack(packed, beside, name):
    """Undo `pack`.

    Raises
    ------
    ValueError
        If the state is of a later format, or not as it was written.

    Warns
    -----
    StoredVersionWarning
        If later versions, or an other format, have written it.
    UserWarning
        If it was on a device that is not here.
    """
    _check_form(packed, name)
    if packed["digest"] != _digest(packed, beside, name):
        raise _damaged(name, "its parts do not belong together")
    _warn_of_versions(packed, name)
    try:
        reader = Reader(packed["arrays"], packed["others"], _Devices(name))
        state = reader.read(json.loads(packed["description"]))
        if not isinstance(state, dict):
            raise ValueError("it holds no attributes")
    except ImportError:
        raise
    # Whatever a file that was made by hand leads to.
    except (Exception, RecursionError) as error:
        raise _damaged(name, str(error) or type(error).__name__) from error
    return state


def installed():
    """Return the versions of what writes and reads, dict."""
    return {
        "skae": __version__,
        "torch": str(torch.__version__),
        "scikit-learn": sklearn.__version__,
    }


def _check_form(packed, name):
    if not isinstance(packed, dict) or type(packed.get("format")) is not int:
        raise _damaged(name, "what the fit has learned is not there")
    least = packed.get("readable_from")
    if type(least) is int and least > FORMAT:
        written = packed.get("versions")
        version = written.get("skae") if isinstance(written, dict) else None
        raise ValueError(
            f"{name} was stored in format {packed['format']} by skae {version}, and skae "
            f"{__version__} reads up to format {FORMAT}. Install skae {version} or later."
        )
    types = {"versions": dict, "description": str, "arrays": dict, "others": list}
    for key, cls in types.items():
        if type(packed.get(key)) is not cls:
            raise _damaged(name, f"its {key} are not there")
    if set(packed) != WHOLE or type(least) is not int:
        raise _damaged(name, "it has other parts than skae writes")


def _damaged(name, why):
    return ValueError(
        f"{name} cannot be read: {why}. The file was damaged or altered; store the "
        "estimator again."
    )


def _digest(packed, beside, name):
    """Return a number that changes with what is stored: it tells damage, not malice."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        parts = packed["format"], packed["readable_from"], packed["versions"]
        digest.update(
            json.dumps([name, *parts, len(packed["others"])], sort_keys=True).encode()
        )
        digest.update(packed["description"].encode("utf-8", "surrogatepass"))
        for name, array in sorted(packed["arrays"].items()):
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    except (AttributeError, TypeError, ValueError):
        return None  # of no form that was ever written
    for name, value in sorted(beside.items()):
        digest.update(f"{name}={_plain(value)}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _plain(value):
    """Return a text of a value of builtins, and the class of any other."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or type(value) in (bool, int, float, str):
        return repr(value)
    return type(value).__name__


def _warn_of_versions(packed, name):
    newer = {}
    if packed["format"] != FORMAT:
        newer["format"] = packed["format"], FORMAT
    for package, here in installed().items():
        stored = packed["versions"].get(package)
        if _numbers(stored) > _numbers(here):
            newer[package] = stored, here
    if newer:
        original = packed["versions"].get("scikit-learn")
        warn(
            StoredVersionWarning(
                estimator_name=name, newer=newer, original_sklearn_version=original
            )
        )


def _numbers(version):
    """Return the first numbers of a version, tuple of int."""
    parts = str(version).partition("+")[0].split(".")
    return tuple(int(part) for part in parts[:3] if part.isdecimal())


class _Devices:
    """The devices of what is read: where they are, or the CPU where they are not."""

    def __init__(self, name):
        self._name, self._known = name, {"cpu": torch.device("cpu")}

    def __call__(self, device):
        if not isinstance(device, str):
            raise ValueError(f"it names {device!r} as a device")
        if device not in self._known:
            try:
                self._known[device] = resolve_device(device)
            except ValueError:
                torch.device(device)  # raises for what is no device at all
                self._known[device] = torch.device("cpu")
                warn(
                    f"{self._name} was stored on device {device!r}, which this machine "
                    "does not have; it works on the CPU. `to` moves it elsewhere."
                )
        return self._known[device]
