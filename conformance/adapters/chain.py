"""A chain of tools as a target: ``torch > onnx > onnxruntime``.

Each stage is a function of what the stage before it gave, the first one of the case; what the last one gives is called
with the arrays x, h_0 and c_0 by name, and returns output, h_n and c_n by name. A configuration with its parameters
goes through the chain once: what comes out serves all sizes of batches and all numbers of steps.
"""

from conformance.claims.capabilities import Capabilities

CLAIMS = {
    "cells": ("RNN_TANH", "RNN_RELU", "GRU", "LSTM"),
    "bidirectional": True,
    "max_layers": None,
    "no_bias": True,
    "nonfinite": True,
    "recompiles": "model",
}


class Chain:
    """Stages one after the other; ``capabilities`` of a stage, a dict, stand in the place of what is claimed else."""

    def __init__(self, stages):
        """stages: the label of each, and its function."""
        self.stages, claims = stages, dict(CLAIMS)
        for _, stage in stages:
            claims |= getattr(stage, "capabilities", {})
        self.capabilities = Capabilities.of(claims)
        self.made = {}

    def forward(self, case):
        """output and h_n, or output and (h_n, c_n), of one case."""
        weights = ((name, array.tobytes()) for name, array in sorted(case.parameters.items()))
        key = (repr(case.config), *weights)
        if key not in self.made:
            self.made[key] = self.make(case)
        run, inputs = self.made[key], {"x": case.x, "h_0": case.h_0, "c_0": case.c_0}
        if isinstance(run, Refused):
            raise run
        results = run({name: array for name, array in inputs.items() if array is not None})
        return results["output"], (results["h_n"], results["c_n"]) if case.c_0 is not None else results["h_n"]

    def make(self, case):
        """What the last stage makes of a case; Refused where one of them raises."""
        given = case
        for label, stage in self.stages:
            try:
                given = stage(given)
            except Exception as error:
                first = str(error).strip().partition("\n")[0]
                return Refused(f"raised {type(error).__name__}: {first} (in its stage {label})")
        if callable(given):
            return given
        return Refused(f"has a stage {label} that gave a {type(given).__name__}, which cannot be called with arrays")


class Refused(Exception):
    """A stage made nothing of what it was given, so that there is nothing to judge."""

    refused = True
