"""Estimators in MLflow: logged models, and runs that a fit writes by itself.

MLflow's scikit-learn flavour stores them: what is logged here is loaded by
`mlflow.sklearn.load_model` and, as of scikit-learn's own estimators, by
`mlflow.pyfunc.load_model` where there is a `predict`. Needs MLflow 3.10 or later.
"""

import functools
import os
import time
from importlib.metadata import version
from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator

from skae._version import __version__
from skae.files import trusted_types

__all__ = ["autolog", "log_model", "save_model"]

# What loading a model needs besides this package and what these bring.
NEEDED = "scikit-learn", "torch", "skops"
# Rows from which the types of columns are read.
N_EXAMPLES = 20
# That MLflow's stores take at once.
MOST_METRICS = 1000


def log_model(estimator: BaseEstimator, name: str | None = None, **settings: Any) -> Any:
    """Log an estimator, or a Pipeline that holds one, as `mlflow.sklearn.log_model` does.

    Unlike there, this package's classes are trusted (`skae.trusted_types`), so that the
    default format, skops, which runs nothing when it is loaded, takes them; and
    requirements are known instead of looked for by a process that loads the model.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    name : str, default=None
        Of the logged model.
    **settings : dict
        Parameters of `mlflow.sklearn.log_model`, which override the above. Classes of
        `skops_trusted_types` are trusted as well.

    Returns
    -------
    logged : mlflow.models.model.ModelInfo
        Its `model_uri` is what `mlflow.sklearn.load_model` takes, and, of what has
        `predict`, `mlflow.pyfunc.load_model`.

    Raises
    ------
    ImportError
        If MLflow is not installed.
    mlflow.exceptions.MlflowException
        If the estimator holds a class that is not trusted.

    Examples
    --------
    >>> import skae.mlflow
    >>> logged = skae.mlflow.log_model(detector, "detector")  # doctest: +SKIP
    """
    flavour = _mlflow().sklearn
    return flavour.log_model(estimator, name=name, **_completed(estimator, settings))


def save_model(estimator: BaseEstimator, path: str | os.PathLike, **settings: Any) -> None:
    """Write an estimator to a folder, as `mlflow.sklearn.save_model` does.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    path : str or path
        Of a folder that is not there yet, or is empty.
    **settings : dict
        Parameters of `mlflow.sklearn.save_model`; defaults are those of `log_model`.

    Raises
    ------
    ImportError
        If MLflow is not installed.
    mlflow.exceptions.MlflowException
        If the estimator holds a class that is not trusted.

    Examples
    --------
    >>> import skae.mlflow
    >>> skae.mlflow.save_model(detector, "model")  # doctest: +SKIP
    """
    flavour = _mlflow().sklearn
    flavour.save_model(estimator, os.fspath(path), **_completed(estimator, settings))


def autolog(
    *, log_models: bool = True, disable: bool = False, silent: bool = False
) -> None:
    """Have each `fit` of this package's estimators write an MLflow run.

    `mlflow.sklearn.autolog` watches scikit-learn's classes alone, Pipelines and searches
    with estimators of this package among them. This watches a fit of such an estimator by
    itself; where both are on, what a Pipeline or a search fits is logged once, by theirs.

    A run holds the parameters, the losses of each epoch (`loss`, `validation_loss`, and
    `best_iter`), and the model with its signature. It is the active run, or one that is
    begun and ended by the fit.

    Parameters
    ----------
    log_models : bool, default=True
        Whether to log the fitted estimator, as "model".
    disable : bool, default=False
        Stop watching.
    silent : bool, default=False
        No messages and warnings of MLflow.

    Raises
    ------
    ImportError
        If MLflow is not installed.

    Examples
    --------
    >>> import skae.mlflow
    >>> skae.mlflow.autolog()  # doctest: +SKIP
    >>> detector = skae.AEAnomalyDetector().fit(X)  # doctest: +SKIP
    """
    _mlflow()
    _integration()(log_models=log_models, disable=disable, silent=silent)


# ------------------------------------------------------------------ of a model


def _mlflow():
    try:
        import mlflow.sklearn
    except ImportError as error:
        raise ImportError(
            "skae.mlflow needs MLflow, which is not installed; install it, for example by "
            "pip install 'skae[mlflow]'."
        ) from error
    return mlflow


def _completed(estimator, settings):
    trusted = {*trusted_types(), *(settings.pop("skops_trusted_types", None) or ())}
    defaults = {"serialization_format": "skops"}
    own = type(estimator).__module__.startswith("skae.")
    if own and not {"pip_requirements", "extra_pip_requirements", "conda_env"} & {
        *settings
    }:
        others = [f"{name}=={version(name)}" for name in NEEDED]
        defaults["pip_requirements"] = [f"skae=={__version__}", *others]
    return defaults | settings | {"skops_trusted_types": sorted(trusted)}


# ------------------------------------------------------------------ of a fit


@functools.cache
def _integration():
    """Return MLflow's switch of this package's fits."""
    from mlflow.utils.autologging_utils import (
        _get_new_training_session_class,
        _has_active_training_session,
        autologging_integration,
        safe_patch,
    )

    session = _get_new_training_session_class()

    @autologging_integration("skae")
    def switch(log_models=True, disable=False, silent=False):
        def fit(original, self, *args, **kwargs):
            if _has_active_training_session():
                return original(self, *args, **kwargs)
            with session(self, allow_children=False):
                return _logged_fit(original, self, args, kwargs, log_models)

        for estimator in _estimators():
            safe_patch("skae", estimator, "fit", fit, manage_run=True)

    return switch


def _estimators():
    import skae

    public = (getattr(skae, name) for name in skae.__all__)
    return [
        value
        for value in public
        if isinstance(value, type)
        and issubclass(value, BaseEstimator)
        and hasattr(value, "fit")
    ]


def _logged_fit(original, estimator, args, kwargs, log_models):
    mlflow = _mlflow()
    mlflow.log_params(estimator.get_params(deep=True))
    kind = type(estimator)
    mlflow.set_tags(
        {
            "estimator_name": kind.__name__,
            "estimator_class": f"{kind.__module__}.{kind.__name__}",
        }
    )
    fitted = original(estimator, *args, **kwargs)
    _log_losses(mlflow, estimator)
    if log_models:
        X = args[0] if args else kwargs["X"]
        log_model(estimator, "model", signature=_signature(estimator, X))
    return fitted


def _log_losses(mlflow, estimator):
    """Log what the training says of its epochs, counted from 1."""
    now = int(time.time() * 1000)
    curves = {"loss": "loss_curve_", "validation_loss": "validation_loss_curve_"}
    metrics = [
        mlflow.entities.Metric(name, float(value), now, i)
        for name, attribute in curves.items()
        for i, value in enumerate(getattr(estimator, attribute, ()), start=1)
    ]
    if hasattr(estimator, "best_iter_"):
        metrics.append(mlflow.entities.Metric("best_iter", estimator.best_iter_, now, 0))
    client, run = mlflow.MlflowClient(), mlflow.active_run()
    for start in range(0, len(metrics), MOST_METRICS):
        client.log_batch(run.info.run_id, metrics[start : start + MOST_METRICS])


def _signature(estimator, X):
    """Return the types of what goes in and comes out; None where MLflow cannot say."""
    from mlflow.models import infer_signature

    predict = getattr(estimator, "predict", None) or getattr(estimator, "transform", None)
    try:
        rows = X[:N_EXAMPLES]
        types = getattr(rows, "dtypes", ())
        # It would call them text, and then refuse the frame that was fitted.
        if any(isinstance(dtype, pd.CategoricalDtype) for dtype in types):
            return None
        return infer_signature(rows, predict(rows)) if predict else infer_signature(rows)
    except Exception:  # of lazy tables, and of whatever MLflow has no type for
        return None
