"""Changes of a case that change its result in a known way.

Each acts alike on a case, and on a run: then on its numbers and their radii. So most properties
read: the target of the changed case is the changed target of the case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from reference_rnn import Case, Result
from reference_rnn.case import gate_rows
from reference_rnn.layers import time_major
from strategies.memory import unusual

from .oracle import Run

TURNS = 3  # memory layouts for each array of a case
# A third of the exponents of each format: no product of three such numbers and a usual one overflows.
HUGE = {"float64": 2.0**320, "float32": 2.0**40, "bfloat16": 2.0**40, "float16": 2.0**4}


def transform(on_result: Callable[[Case, Result], Result]) -> Callable[[Callable[..., Case]], Callable[[Any], Any]]:
    """Makes a change of a case a change of runs too; ``on_result`` says what becomes of a result."""

    def decorate(on_case: Callable[[Case], Case]) -> Callable[[Any], Any]:
        def change(subject: Any) -> Any:
            if isinstance(subject, Case):
                return on_case(subject)
            old = subject.case
            return subject.map(on_case(old), lambda result: on_result(old, result))

        change.__doc__ = on_case.__doc__
        return change

    return decorate


def backwards(case: Case, array: np.ndarray) -> np.ndarray:
    """(T, N, ...) with each row's valid steps in reverse order; padding stays where it is."""
    steps = np.arange(case.num_steps)[:, None]
    order = np.where(steps < case.row_lengths, case.row_lengths - 1 - steps, steps)
    return np.take_along_axis(array, order[..., None], 0)


def by_direction(array: np.ndarray, case: Case) -> np.ndarray:
    """(L*D, ...) with the two directions of each layer swapped."""
    layers = array.reshape(case.config.num_layers, 2, *array.shape[1:])
    return layers[:, ::-1].reshape(array.shape)


def swap_halves(array: np.ndarray) -> np.ndarray:
    """The two halves of the last axis, swapped."""
    return np.roll(array, array.shape[-1] // 2, -1)


@transform(lambda case, result: Result(backwards(case, result.output), result.h_n, result.c_n))
def reverse_time(case: Case) -> Case:
    """Each row's steps in reverse order."""
    return case.replace(x=backwards(case, case.x))


@transform(
    lambda case, result: Result(
        swap_halves(result.output), *(by_direction(s, case) for s in (result.h_n, result.c_n) if s is not None)
    )
)
def swap_directions(case: Case) -> Case:
    """The parameters and states of the two directions exchanged, and what reads their halves."""

    def change(name: str, array: np.ndarray) -> np.ndarray:
        if name == "x":
            return array
        if name in ("h_0", "c_0"):
            return by_direction(array, case)
        other = name.removesuffix("_reverse") if name.endswith("_reverse") else name + "_reverse"
        array = case.parameters[other]
        return swap_halves(array) if name.startswith("weight_ih") and "_l0" not in name else array

    return case.map(change)


def mirror(subject: Any) -> Any:
    """Time reversed and directions exchanged: what was forward is now reverse."""
    return swap_directions(reverse_time(subject))


def states_as(case: Case, change: Callable[[np.ndarray], Any]) -> dict[str, Any]:
    """The initial states, changed, by their names; None where none is given."""
    return {name: None if s is None else change(s) for name, s in (("h_0", case.h_0), ("c_0", case.c_0))}


def layer(case: Case, number: int, x: np.ndarray) -> Case:
    """One layer of a case as a case of its own, reading x."""
    D = case.config.num_directions
    end = f"_l{number}"
    parameters = {
        name.replace(end, "_l0"): array
        for name, array in case.parameters.items()
        if name.removesuffix("_reverse").endswith(end)
    }
    own = slice(number * D, number * D + D)
    states = states_as(case, lambda s: s[own])
    return case.replace(num_layers=1, input_size=x.shape[-1], parameters=parameters, x=x, **states)


def lowest_layers(case: Case, count: int) -> Case:
    """The first layers of a case as a case of its own."""
    entries = count * case.config.num_directions
    ends = tuple(f"_l{number}" for number in range(count))
    parameters = {
        name: array for name, array in case.parameters.items() if name.removesuffix("_reverse").endswith(ends)
    }
    states = states_as(case, lambda s: s[:entries])
    return case.replace(num_layers=count, parameters=parameters, **states)


def rows(case: Case, chosen: Any) -> Case:
    """The case with only some rows of its batch, in this order."""
    chosen = list(chosen)
    lengths = None if case.lengths is None else case.lengths[chosen]
    states = states_as(case, lambda s: s[:, chosen])
    return case.replace(x=case.x[:, chosen], lengths=lengths, **states)


def steps(case: Case, start: int, stop: int) -> Case:
    """The case with only the steps from start up to stop."""
    lengths = None if case.lengths is None else np.clip(case.lengths - start, 0, stop - start)
    return case.replace(x=case.x[start:stop], lengths=lengths)


def with_padding(case: Case, value: float) -> Case:
    """The case with one number in the place of all that stands past the end of a row."""
    ended = np.arange(case.num_steps)[:, None] >= case.row_lengths
    return case.replace(x=np.where(ended[..., None], value, case.x).astype(case.x.dtype))


def far_apart(case: Case) -> Iterator[Case]:
    """Cases with weights that are tiny and what they are multiplied with huge, and the other way round.

    Every product is what it is in the case itself: those of x, and in a single step those of h_0.
    """
    for factor in (HUGE[case.config.dtype], 1 / HUGE[case.config.dtype]):
        for of, weight, operand in ((case, "weight_ih_l0", "x"), (steps(case, 0, 1), "weight_hh_l0", "h_0")):
            yield of.map(lambda name, a: multiplied(a, factor ** ((name == operand) - name.startswith(weight))))


def multiplied(array: np.ndarray, factor: float) -> np.ndarray:
    """The array times a power of two, in its own dtype."""
    return (array.astype(float) * factor).astype(array.dtype)


def other_numbers(array: np.ndarray) -> np.ndarray:
    """Numbers that differ from these everywhere and need no more digits."""
    return np.where(array == 0, 1, -array).astype(array.dtype)


def negative(array: np.ndarray) -> np.ndarray:
    """The numbers with their signs turned; 0 stays 0, so that the case is as easy to read."""
    return 0 - array


def without_state(case: Case) -> Case:
    """The case with zeros for its initial states."""
    return case.map(lambda name, array: np.zeros_like(array) if name in ("h_0", "c_0") else array)


def saturated(case: Case, **gates: float) -> Case:
    """The case with some gates at one value, whatever they read: sigmoid(40) is 1, and sigmoid(-40) is 0.

    gates  the letter of a gate, and what it is the sigmoid (or tanh) of
    """
    config = case.config

    def change(name: str, array: np.ndarray) -> np.ndarray:
        if not name.startswith(("weight_ih", "weight_hh", "bias")):
            return array
        array = array.copy()
        for gate, value in gates.items():
            array[gate_rows(config, gate, name)] = value if name.startswith("bias_ih") else 0
        return array

    return case.map(change)


def with_one_bias(case: Case, kind: str) -> Case:
    """The case, which has no bias but zeros, with a bias of one gate: of one that no other bias reaches, if there is.

    kind  of the array that holds it; a cell whose gates have none there comes back as it is
    """
    c = case.config
    packed = c.cell.packing(kind)
    gates = [gate for gate in packed if gate not in c.cell.sums] or list(packed)

    def change(name: str, array: np.ndarray) -> np.ndarray:
        if not name.startswith(kind) or not gates:
            return array
        array = array.copy()
        array[gate_rows(c, gates[sum(case.x.shape) % len(gates)], name)] = 0.5
        return array

    return case.map(change)


def laid_out(arrays: Iterable[tuple[str, np.ndarray]], first: int) -> Iterator[dict[str, str]]:
    """TURNS memory layouts of each array, by its name: others from array to array, and in all from any first one on."""
    layouts = {name: unusual(array.ndim) for name, array in arrays}
    for turn in range(first, first + TURNS):
        yield {name: own[(turn + number) % len(own)] for number, (name, own) in enumerate(layouts.items())}


def states(case: Case) -> list[tuple[str, np.ndarray]]:
    """The name of each final state with the initial state that belongs to it, zeros where none is given."""
    given = time_major(case)
    pairs = (("h_n", given.h_0), ("c_n", given.c_0))
    return [(name, state) for name, state in pairs if state is not None]


def part(run: Run, case: Case, choose: Callable[[str, np.ndarray], np.ndarray]) -> Run:
    """The part of a run that should answer another case: ``choose(name, array)`` of every part."""
    return run.map(case, lambda result: result.map(choose))
