"""Equivalence. Every number is the one that the published equations give, but for rounding."""

from __future__ import annotations

import numpy as np

from conformance.judging.call_sequences import turned_at_the_end
from conformance.judging.metamorphic import far_apart
from conformance.judging.oracle import is_far
from conformance.judging.properties import GRUS, PLAIN, NotRun, agree, applicable, claimed, fail, prop, steps_agree
from reference_rnn import Case, rounded
from strategies.covering import ALIKE, EACH, LARGE, RICH


@prop(every_cell=True, sketches=RICH)
def test_first_look(target, case):
    """Of rich cases, no result is far from what it must be."""
    run = target(case)
    if is_far(run.result, target.expected(case).result, run.arithmetic):
        steps_agree(run)


@prop(every_cell=True)
def test_steps(target, case):
    """Every step is the step of the equations from the target's own previous state."""
    target.cover(case, steps_agree(target(case)))


@prop(every_cell=True, sketches=(*LARGE, *ALIKE), empty=(), memory=False)
def test_sizes(target, case):
    """Sizes around 32, 64 and 128, many rows, steps or layers, and sizes all the same are computed like any other."""
    claimed(not target.capabilities.recompiles)  # each of them is a shape of its own
    steps_agree(target(case))
    steps_agree(target(turned_at_the_end(case)))  # what is kept under a key that ends early, or leaves out some, shows


@prop(sketches=EACH, memory=False)
def test_each_size(target, case):
    """Every size from 10 to 66 is computed like any other, alone and together, wherever rows end."""
    claimed(not target.capabilities.recompiles)
    steps_agree(target(case))


@prop(every_cell=True, sketches=RICH, max_layers=1, empty=(), memory=False, models=4)
def test_magnitudes(target, case):
    """Tiny weights that meet huge numbers, and huge weights that meet tiny ones, are computed like any other."""
    for other in far_apart(case):
        steps_agree(target(other))


@prop(cells=["RNN_RELU"], network="integer", models=1)
def test_integer_networks(target, case):
    """A ReLU network of integers is computed exactly."""
    steps_agree(target(case))


@prop(cells=["RNN_TANH"], network="linear", models=1)
def test_linear_regime(target, case):
    """Where all numbers are tiny, tanh is the identity and the network is linear."""
    steps_agree(target(case))


@prop(cells=["RNN_TANH", *GRUS], network="automaton", memory=False, models=1)
def test_automata(target, case):
    """Saturated units are a finite automaton: every state is -1 or 1, however long the sequence."""
    steps_agree(target(case))


@prop(lengths=False, empty=(), memory=False, models=1)
def test_activation(target, case):
    """The activation is right from -12 to 12, and near zero to the last digits."""
    steps_agree(target(sweep(case)))


@prop(cells=PLAIN, memory=False, models=1)
def test_no_recurrent_weight(target, case):
    """Without recurrent weights there is no memory: every step is that of an initial state of zero."""
    memoryless = case.map(lambda name, array: np.zeros_like(array) if name.startswith("weight_hh") else array)
    forgotten = memoryless.map(lambda name, array: np.zeros_like(array) if name == "h_0" else array)
    run, other = target(memoryless), target(forgotten)
    keep_rows_of_length_zero_apart(case)
    agree(run, other)


@prop(cells=["RNN_RELU"], max_layers=1, bidirectional=False, lengths=False, empty=(), memory=False, models=1)
def test_delay_line(target, case):
    """Units that hand on what the one before them held are a delay line: unit k shows the input of k steps ago."""
    line = delay_line(case, target.arithmetic(case).bits)
    output = target(line).result.output
    for t in range(case.num_steps):
        for unit in range(min(case.config.hidden_size, t + 1)):
            if (output[t, :, unit] != line.x[t - unit, :, 0]).any():
                fail("value:output", f"unit {unit} of step {t} does not hold the input of step {t - unit}")


@prop(cells=["RNN_RELU"], max_layers=1, bidirectional=False, lengths=False, empty=(), memory=False, models=1)
def test_counter(target, case):
    """A unit that adds one to itself counts the steps."""
    applicable(case.num_steps < 2 ** target.arithmetic(case).bits)
    counter = case.map(lambda name, array: np.zeros_like(array))
    ones = case.parameters["weight_hh_l0"].dtype.type(1)
    H = case.config.hidden_size
    counter.parameters["weight_hh_l0"][...] = np.eye(H)
    counter.parameters["weight_ih_l0"][:, 0] = ones
    counter.x[..., 0] = ones
    output = target(counter).result.output
    expected = np.arange(1, case.num_steps + 1)[:, None, None]
    if (output != expected).any():
        t = int(np.argwhere(output != expected)[0][0])
        fail("value:output", f"step {t} counts {output[t].flat[0]:g}, must be {t + 1}")


@prop(cells=[*PLAIN, "GRU", "LSTM"], empty=(), heavy=True)
def test_pytorch(target, case):
    """The result is PyTorch's, but for the rounding of both."""
    if target.module == "conformance.adapters.pytorch":
        raise NotRun("the target is PyTorch as it is installed here, which is no second judge of itself")
    try:
        from conformance.adapters import pytorch
    except ImportError:
        raise NotRun(
            "PyTorch, a second judge, is not installed; in a checkout of the kit pip install '.[torch]' adds it"
        ) from None
    agree(target(case), target.second_opinion(pytorch.forward, case, "PyTorch"))


def sweep(case: Case) -> Case:
    """The case with each unit of its lowest layer reading one number from -12 to 12, or one near zero."""
    dtype = case.x.dtype.type
    shift = float(case.x.flat[0]) % 1 if np.isfinite(case.x.flat[0]) else 0.0
    wide = np.linspace(-12, 12, case.x.size) + shift / case.x.size
    small = np.sign(wide) * 2.0 ** -(np.arange(case.x.size) % 40)
    numbers = np.where(np.arange(case.x.size) % 3, wide, small)

    def change(name, array):
        if name == "x":
            return rounded(numbers.reshape(array.shape), case.config.dtype)
        if name.startswith("weight_ih"):
            width = array.shape[1]
            return (np.arange(width) == np.arange(len(array))[:, None] % width).astype(dtype)
        return array if name.startswith("weight_hr") else np.zeros_like(array)

    return case.map(change)


def delay_line(case: Case, bits: int) -> Case:
    """The case with unit 0 reading the first input, an integer of so many bits, and unit k the unit before it."""
    line = case.map(lambda name, array: np.zeros_like(array))
    line.parameters["weight_ih_l0"][0, 0] = 1
    line.parameters["weight_hh_l0"][...] = np.eye(case.config.hidden_size, k=-1)
    steps = np.arange(case.num_steps)[:, None]
    largest = 2**bits - 1  # up to here every integer is exact
    line.x[..., 0] = 1 + (steps + 16 * np.arange(case.num_rows)) % largest
    return line


def keep_rows_of_length_zero_apart(case: Case) -> None:
    """A row without steps keeps its initial state, whatever the weights."""
    applicable(case.num_steps > 0 and bool(case.row_lengths.all()))
