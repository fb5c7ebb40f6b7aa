"""Symmetries. Names of units and inputs, signs and scales mean nothing."""

from __future__ import annotations

import numpy as np

from conformance.properties import agree, applicable, claimed, fail, prop
from conformance.transforms import other_numbers, part
from strategies.shrink import axes


@prop()
def test_permuted_units(target, case):
    """Permuting hidden units consistently permutes output and states."""
    H, D = case.config.hidden_size, case.config.num_directions
    applicable(H > 1)
    order = np.roll(np.arange(H), 1)
    both = np.concatenate([order + H * d for d in range(D)])

    def change(name, array):
        if name == "x":
            return array
        if name.startswith("weight_hh"):
            return array[order][:, order]
        if name.startswith("weight_ih") and "_l0" not in name:
            return array[order][:, both]
        return array[..., order] if name in ("h_0", "c_0") else array[order]

    permuted = case.map(change)
    agree(target(permuted), part(target(case), permuted, lambda n, a: a[..., both] if n == "output" else a[..., order]))


@prop()
def test_permuted_inputs(target, case):
    """Permuting input features and the columns that read them changes nothing."""
    applicable(case.config.input_size > 1)
    order = np.roll(np.arange(case.config.input_size), 1)

    def change(name, array):
        return array[..., order] if name == "x" or name.startswith("weight_ih_l0") else array

    permuted = case.map(change)
    agree(target(permuted), target(case))


@prop(needs="RNN_TANH")
def test_odd(target, case):
    """tanh is odd: turning all signs of inputs, states and biases turns all signs of the result."""
    turned = case.map(lambda name, array: array if name.startswith("weight") else -array)
    agree(target(turned), part(target(case), turned, lambda name, array: -array))


@prop(needs="RNN_RELU")
def test_scale(target, case):
    """ReLU scales: four times the inputs, states and biases give four times the result."""
    scaled = case.map(lambda name, array: array if name.startswith("weight") else 4 * array)
    agree(target(scaled), part(target(case), scaled, lambda name, array: 4 * array))


@prop(bias=True)
def test_bias_moved(target, case):
    """Only the sum of the two biases matters."""
    claimed(target.capabilities.biases == "two")

    def change(name, array):
        if not name.startswith("bias"):
            return array
        return case.parameters[name.replace("bias_ih", "?").replace("bias_hh", "bias_ih").replace("?", "bias_hh")]

    moved = case.map(change)
    agree(target(moved), target(case))


@prop()
def test_unused_input(target, case):
    """An input feature that no weight reads changes nothing."""
    applicable(case.config.input_size > 1)
    blind = case.map(lambda name, array: unread(array) if name.startswith("weight_ih_l0") else array)
    x = case.x.copy()
    x[..., 0] = other_numbers(x[..., 0])
    agree(target(blind.replace(x=x)), target(blind))


@prop()
def test_idle_unit(target, case):
    """One more unit that nothing feeds and nothing reads changes nothing, and stays zero."""
    wider = with_idle_unit(case)
    H, D = case.config.hidden_size, case.config.num_directions
    run = target(wider)
    a = target.arithmetic(case)
    if (abs(run.result.output[..., H :: H + 1]) > a.u * a.ka).any():
        fail("value:output", f"unit {H} has no weights and no bias, but its output is not zero")
    old = np.concatenate([np.arange(H) + (H + 1) * d for d in range(D)])
    agree(part(run, case, lambda name, a: a[..., old] if name == "output" else a[..., :H]), target(case))


def with_idle_unit(case):
    """The case with a unit of zeros behind the others, in every layer and direction."""

    def change(name, array):
        for axis, (letter, blocks) in enumerate(axes(name, case)):
            if letter == "H":
                ends = [case.config.hidden_size * (block + 1) for block in range(blocks)]
                array = np.insert(array, ends, 0, axis)
        return array

    return case.map(change).replace(hidden_size=case.config.hidden_size + 1)


def unread(weight):
    """Input weights that ignore the first feature."""
    return np.where(np.arange(weight.shape[1]) == 0, 0, weight).astype(weight.dtype)
