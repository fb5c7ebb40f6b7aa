"""Shipped adapters, each in the parts of its package that work; those whose package is not here are skipped."""

import importlib
from dataclasses import replace

import pytest

from conformance import check
from conformance.harness.load import SHIPPED, TargetError, open_target, spec_of


def without(*cells):
    """All cells that are claimed but some."""
    return lambda claimed: tuple(own for own in claimed if own not in cells)


def only(mode):
    """The modes that are claimed without all others."""
    return lambda claimed: {mode: claimed[mode]}


# What the package promises and does not do, or does not do quickly: see docs/findings.md. A function makes a claim of
# the one that the adapter has.
WITHOUT = {
    "onnxruntime": {"nonfinite": False},
    "openvino": {"nonfinite": False},
    "onnx-reference": {"cells": ("RNN_TANH", "GRU", "GRU_RESET_BEFORE", "LSTM"), "lengths": False},
    "keras": {"dtypes": ("float32",)},
    "torch-quantizable": {"bidirectional": False, "dtypes": ("float32",)},
    "tract": {
        "cells": ("RNN_TANH", "GRU", "GRU_RESET_BEFORE", "LSTM"),
        "default_state": False,
        "options": ("peepholes",),
    },
    "opencv": {"default_state": False, "no_bias": False, "lengths": False, "options": ()},
    "onnx2pytorch": {"cells": without("GRU_RESET_BEFORE")},
    "iree": {
        "lengths": False,
        "options": (),
        "sizes": {"steps": (1, 3), "batch": (2,), "input_size": (3,), "hidden_size": (5,), "num_layers": (1, 2)},
    },
    "mnn": {"cells": ("RNN_TANH", "GRU", "LSTM"), "options": ()},
    "executorch": {
        "sizes": {"steps": (1, 3), "batch": (2,), "input_size": (3,), "hidden_size": (5,), "num_layers": (1, 2)},
    },
    "litert": {"batch_first": False},
    "paddle": {"lengths": False},
    "opacus": {"dtypes": ("float32",), "dropout": False},
    "brevitas": {"max_layers": 1},
    "snntorch": {"sizes": {"input_size": (5,), "hidden_size": (5,)}, "bidirectional": False},
    "forecasting": {"empty": ()},
    "torchrl": {"projections": False},
    "ncps-cfc": {"sizes": {"batch": (1,)}},
    "fla": {"cells": without("COMBA")},
    "mingru": {"cells": without("MINLSTM")},
    "s5": {"cells": without("S5_LIQUID"), "default_state": False},
    "torchrecurrent": {"cells": without("GATEDANTISYMMETRICRNN", "LEM", "SCRN")},
    "xlstm-mlstm": {"modes": only("recurrent")},
    "xlstm-slstm": {"modes": only("forward")},
}
PACKAGES = [name for name in SHIPPED if name not in ("torch", "reference")]


OF_LAYERS = ["shapes.shapes", "shapes.calls_are_independent", "equivalence.steps"]
OF_RECURRENCES = ["state.nothing_is_changed", "state.split", "state.modes_agree", "state.equations"]


@pytest.mark.parametrize("name", PACKAGES)
def test_conforms(name):
    target = target_of(name)
    report = check(target, properties=OF_RECURRENCES if target.capabilities.recurrences else OF_LAYERS)
    assert report.verdict == "conforms", [result.message for result in report.results if result.message]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_missing_package_is_named_with_the_extra_that_adds_it(name, monkeypatch):
    module = spec_of(name)[1]["module"]
    monkeypatch.setattr("importlib.import_module", lambda _: raise_not_found("nothing"))
    with pytest.raises(
        TargetError,
        match=r"^nothing is not installed; in a checkout of the kit pip install '\.\[[a-z0-9]+\]' adds it$",
    ):
        open_target(name, in_process=True)
    with pytest.raises(TargetError, match="does not import: ModuleNotFoundError"):
        open_target(module, in_process=True)


def raise_not_found(name):
    raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def target_of(name):
    """The shipped target with the claims that its package keeps; skips where the package, or its device, is missing."""
    try:
        open_target(name, in_process=True)
    except TargetError as error:
        pytest.skip(str(error))
    module = importlib.import_module(SHIPPED[name])

    def forward(case):
        return module.forward(case)

    claims = module.capabilities
    kept = {key: own(getattr(claims, key)) if callable(own) else own for key, own in WITHOUT.get(name, {}).items()}
    forward.capabilities = replace(claims, **kept)
    return forward
