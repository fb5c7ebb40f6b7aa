"""Layers. Each layer reads the whole output of the one below, and has a state of its own."""

from __future__ import annotations

import numpy as np

from conformance.judging.metamorphic import layer, part
from conformance.judging.properties import agree, prop
from reference_rnn import Result


@prop(needs="layers", models=2)
def test_in_a_row(target, case):
    """L layers are L one-layer runs in a row."""
    runs, _ = one_by_one(target, case)
    chained = runs[-1].result.output
    whole = target(case).map(case, lambda result: Result(result.output, result.output[:0]))
    agree(whole.joined(Result(chained, chained[:0]), *runs), whole)


@prop(needs="layers", models=2)
def test_final_states(target, case):
    """Final states are layer-major and direction-minor: entry l*D + d is that of layer l, direction d."""
    runs, finals = one_by_one(target, case)
    stacked = target(case)
    states = part(stacked, case, lambda name, array: array[:0] if name == "output" else array)
    agree(states.joined(Result(stacked.result.output[:0], *finals), *runs), states)


def one_by_one(target, case):
    """The runs of a case whose layers are run one after another, and all their final states.

    Rounding may move these as far as those of a stacked run: it is one more correct way to compute it.
    """
    x, runs, finals = case.x, [], []
    for number in range(case.config.num_layers):
        runs.append(target(layer(case, number, x)))
        finals.append([state for name, state in runs[-1].result.items() if name != "output"])
        x = runs[-1].result.output.astype(case.x.dtype)
    return runs, [np.concatenate(states) for states in zip(*finals)]
