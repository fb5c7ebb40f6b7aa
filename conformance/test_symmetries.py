"""Symmetries. Names of units and inputs, signs and scales mean nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from conformance.judging.metamorphic import negative, other_numbers, part
from conformance.judging.properties import agree, applicable, claimed, fail, prop
from reference_rnn.case import gate_rows
from strategies.shrink import axes

# Powers of two that leave usual numbers normal.
TINY = {"float64": 2.0**-600, "float32": 2.0**-80, "bfloat16": 2.0**-80, "float16": 0.25}


@prop(about=lambda cell: cell.exchangeable, models=1)
def test_permuted_units(target, case):
    """Permuting hidden units consistently permutes output and states."""
    H = case.config.hidden_size
    applicable(H > 1)
    order = np.roll(np.arange(H), 1)

    def change(name, array):
        for axis, blocks in unit_axes(name, case):
            array = array.take(np.concatenate([order + H * block for block in range(blocks)]), axis)
        return array

    permuted = case.map(change)
    agree(target(permuted), part(target(case), permuted, change))


@prop(models=1)
def test_permuted_inputs(target, case):
    """Permuting input features and the columns that read them changes nothing."""
    applicable(case.config.input_size > 1)
    order = np.roll(np.arange(case.config.input_size), 1)

    def change(name, array):
        return array[..., order] if name == "x" or name.startswith("weight_ih_l0") else array

    permuted = case.map(change)
    agree(target(permuted), target(case))


@prop(cells=["RNN_TANH"], models=1)
def test_odd(target, case):
    """tanh is odd: turning all signs of inputs, states and biases turns all signs of the result."""
    turned = case.map(lambda name, array: array if name.startswith("weight") else negative(array))
    agree(target(turned), part(target(case), turned, lambda name, array: -array))


@prop(cells=["RNN_RELU"], models=2)
def test_scale(target, case):
    """ReLU scales: four times the inputs, states and biases give four times the result, and so does a tiny part."""
    run = target(case)
    for factor in (4.0, TINY[case.config.dtype]):
        scaled = case.map(lambda name, array, by=factor: array if name.startswith("weight") else by * array)
        scaled = scaled.map(lambda name, array: array.astype(case.x.dtype))
        agree(target(scaled), part(run, scaled, lambda name, array, by=factor: by * array))


@prop(bias=True, about=lambda cell: bool(cell.sums), models=1)
def test_bias_moved(target, case):
    """Only the sum of the two biases matters where a gate reads it: not for a GRU that is reset after the product."""
    claimed(target.capabilities.biases != "one")
    c = case.config
    moved_gates = c.cell.sums if target.capabilities.biases == "two" else c.cell.sums.replace("n", "")

    def change(name, array):
        if not name.startswith("bias"):
            return array
        other = name.replace("bias_ih", "?").replace("bias_hh", "bias_ih").replace("?", "bias_hh")
        array = array.copy()
        for gate in moved_gates:
            array[gate_rows(c, gate, name)] = case.parameters[other][gate_rows(c, gate, other)]
        return array

    moved = case.map(change)
    agree(target(moved), target(case))


@prop(models=1)
def test_unused_input(target, case):
    """An input feature that no weight reads changes nothing."""
    applicable(case.config.input_size > 1)
    blind = case.map(lambda name, array: unread(array) if name.startswith("weight_ih_l0") else array)
    x = case.x.copy()
    x[..., 0] = other_numbers(x[..., 0])
    agree(target(blind.replace(x=x)), target(blind))


@prop(about=lambda cell: cell.apart)
def test_idle_unit(target, case):
    """One more unit that nothing feeds and nothing reads changes nothing, and stays zero."""
    H = case.config.hidden_size
    run = target(with_idle_unit(case))
    a = target.arithmetic(case)

    def others(name, array):
        for axis, blocks in unit_axes(name, case):
            idle = [(H + 1) * block + H for block in range(blocks)]
            if (abs(array.take(idle, axis)) > a.u * a.ka + a.tables[0]).any():
                fail(f"value:{name}", f"unit {H} has no weights and no bias, but its {name} is not zero")
            array = np.delete(array, idle, axis)
        return array

    kept = run.map(case, lambda result: result.map(others))
    agree(replace(kept, bounds=lambda: target.free_bounds(case)), target(case))


def with_idle_unit(case):
    """The case with a unit of zeros behind the others, in every layer and direction."""

    def change(name, array):
        for axis, blocks in unit_axes(name, case):
            ends = [case.config.hidden_size * (block + 1) for block in range(blocks)]
            array = np.insert(array, ends, 0, axis)
        return array

    return case.map(change).replace(hidden_size=case.config.hidden_size + 1)


def unit_axes(name, case):
    """The axes of an array of a case or a result that hidden units lie on, each with its number of blocks."""
    return [(axis, blocks) for axis, (letter, blocks) in enumerate(axes(name, case)) if letter == "H"]


def unread(weight):
    """Input weights that ignore the first feature."""
    return np.where(np.arange(weight.shape[1]) == 0, 0, weight).astype(weight.dtype)
