"""Layers. Each layer reads the whole output of the one below, and has a state of its own."""

from __future__ import annotations

import numpy as np

from conformance.properties import Run, agree, prop
from conformance.transforms import layer, part
from reference_rnn import Result


@prop(needs="layers")
def test_in_a_row(target, case):
    """L layers are L one-layer runs in a row."""
    chained, _ = one_by_one(target, case)
    stacked = target(case)
    whole = stacked.map(case, lambda result: Result(result.output, result.output[:0]))
    agree(Run(case, Result(chained, chained[:0]), whole.arithmetic, lambda: whole.rad), whole)


@prop(needs="layers")
def test_final_states(target, case):
    """Final states are layer-major and direction-minor: entry l*D + d is that of layer l, direction d."""
    _, finals = one_by_one(target, case)
    stacked = target(case)
    states = part(stacked, case, lambda name, array: array[:0] if name == "output" else array)
    chained = Result(stacked.result.output[:0], *finals)
    agree(Run(case, chained, states.arithmetic, lambda: states.rad), states)


def one_by_one(target, case):
    """Output and final states of a case whose layers are run one after another.

    Rounding may move these as far as those of a stacked run: it is one more correct way to compute it.
    """
    x, finals = case.x, []
    for number in range(case.config.num_layers):
        run = target(layer(case, number, x))
        finals.append([state for name, state in run.result.items() if name != "output"])
        x = run.result.output.astype(case.x.dtype)
    return run.result.output, [np.concatenate(states) for states in zip(*finals)]
