"""What docstrings say of parameters and attributes is so, and is the same everywhere."""

import ast
import inspect
import warnings
from collections import Counter
from itertools import combinations

import pytest
from frames import draw_rows
from numpydoc.docscrape import NumpyDocString
from registry import FITTED, make
from sklearn.utils._testing import assert_docstring_consistency

import skae

CLASSES = [cls for name in skae.__all__ if isinstance(cls := getattr(skae, name), type)]
PUBLIC = list({cls: None for cls, _ in FITTED.values()})

# Parameter or attribute -> estimators that document it in words of their own -> why.
DIFFERENT = {
    "n_components": {
        "VQVAETransformer": "takes no fraction of the variance",
        "GANSampler": "random numbers, not codes",
    },
    "hidden_layer_sizes": {
        "GANSampler": "of two networks that are no mirror images",
        "AEAnomalyDetector": "the first is the code",
    },
    "activation": {
        "VQVAETransformer": "another default",
        "GANSampler": "the critic's are fixed",
    },
    "batch_size": {
        "GANSampler": "a fixed default",
        "AEAnomalyDetector": "counted per network",
    },
    "learning_rate_init": {
        "VAETransformer": "another default",
        "AdversarialAutoencoderTransformer": "another default",
        "GANSampler": "the critic has its own",
        "AEAnomalyDetector": "its schedule is always one-cycle",
    },
    "max_iter": {
        "VAETransformer": "another budget of steps",
        "VQVAETransformer": "another budget of steps",
        "AdversarialAutoencoderTransformer": "another budget of steps",
        "GANSampler": "another budget of steps",
        "AEAnomalyDetector": "counts steps",
        "AutoencoderImputer": "another budget of steps",
    },
    "scale": {"VAETransformer": "no quantiles: they have no density"},
    "loss": {"GANSampler": "of a game"},
    "gradient_penalty": {"GANSampler": "its default depends on the table"},
    "device": {"AEAnomalyDetector": "an inner estimator may have its own"},
    "network_": {"AEAnomalyDetector": "many networks"},
    "encoder_, decoder_": {"VAETransformer": "the encoder returns two numbers per code"},
    "n_iter_": {"AEAnomalyDetector": "counts steps"},
    "loss_curve_": {
        "AdversarialAutoencoderTransformer": "the critic's loss is part of it",
        "AEAnomalyDetector": "counts steps",
        "AutoencoderImputer": "of hidden cells alone",
    },
    "random_state": {"AutoencoderImputer": "of the draws of its transform too"},
    "verbose": {"AEAnomalyDetector": "has no epochs"},
    "validation_loss_curve_": {
        "AdversarialAutoencoderTransformer": "with the discrepancy of all codes"
    },
}


def _documented(cls, section):
    """Return (name, type, description) of every entry, also of those that share one."""
    return [
        (name.strip(), entry.type, entry.desc)
        for entry in NumpyDocString(inspect.getdoc(cls))[section]
        for name in entry.name.split(",")
    ]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_parameter_is_documented_once_with_its_default(cls):
    signature = inspect.signature(cls).parameters
    documented = _documented(cls, "Parameters")
    assert Counter(name for name, _, _ in documented) == Counter(list(signature))
    for name, kind, description in documented:
        assert any(line.strip() for line in description), name
        default = signature[name].default
        if default is inspect.Parameter.empty:
            assert "default" not in kind, name
        else:
            text = kind.rpartition("default=")[2]
            found = ast.literal_eval(text)
            assert (found, type(found)) == (default, type(default)), name


@pytest.mark.parametrize("cls", CLASSES)
def test_constructors_only_store(cls):
    """Whatever it is: settings are validated by fit."""
    given = {name: object() for name in inspect.signature(cls).parameters}
    made = cls(**given)
    assert {name: getattr(made, name) for name in given} == given
    assert set(vars(made)) == set(given)
    if cls in PUBLIC:
        assert made.get_params(deep=False) == given


@pytest.mark.parametrize("cls", PUBLIC)
def test_every_parameter_is_constrained(cls):
    assert set(cls._parameter_constraints) == set(inspect.signature(cls).parameters)


# Attributes that only some fits leave, by the part of the documentation that says so.
NOT_ALWAYS = "Only with"


@pytest.mark.parametrize("name", FITTED)
def test_documented_attributes_are_those_of_a_fit(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = make(name).fit(draw_rows(120, 0))
    documented = {
        name: " ".join(desc) for name, _, desc in _documented(type(fitted), "Attributes")
    }
    missing = {
        attribute
        for attribute, text in documented.items()
        if not hasattr(fitted, attribute) and NOT_ALWAYS not in text
    }
    assert not missing
    learned = {key for key in vars(fitted) if key.endswith("_") and key[0] != "_"}
    assert learned <= set(documented)


@pytest.mark.filterwarnings("ignore:Checking was skipped")
@pytest.mark.parametrize(("one", "other"), combinations(PUBLIC, 2))
def test_estimators_document_what_they_share_in_the_same_words(one, other):
    own = [
        name
        for name, estimators in DIFFERENT.items()
        if {one.__name__, other.__name__} & set(estimators)
    ]
    assert_docstring_consistency(
        [one, other],
        include_params=True,
        exclude_params=own,
        include_attrs=True,
        exclude_attrs=own,
    )


def test_no_estimator_is_excused_without_need():
    """What is said to differ does."""
    for name, estimators in DIFFERENT.items():
        texts = {}
        for cls in PUBLIC:
            doc = NumpyDocString(inspect.getdoc(cls))
            for entry in [*doc["Parameters"], *doc["Attributes"]]:
                if entry.name == name:
                    texts[cls.__name__] = entry.type, " ".join(entry.desc)
        usual = {text for cls, text in texts.items() if cls not in estimators}
        assert len(usual) <= 1, name
        assert not {texts[cls] for cls in estimators} & usual, name
