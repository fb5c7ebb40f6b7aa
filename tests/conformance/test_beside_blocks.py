"""Mistakes of a step that are made in what blocks of units, rows or steps leave alone: what they change, who tells."""

from itertools import product

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.diagnosis.faulty import FaultyTarget
from conformance.faults import FAULTS, FaultyReference
from conformance.faults.parts import BESIDE, COUNTED, Share, Turn
from conformance.faults.within import beside_blocks, shares
from conformance.judging.metamorphic import rows, steps
from reference_rnn import Case, Config, cell_of, forward, gradients, parameter_shapes, result_shapes, state_shapes

INVERTED = FAULTS["update-inverted-after"]
UNUSED = FAULTS["reset-unused-after"]
EVERY = [(axis, counted) for axis, names in COUNTED.items() for counted in names]
# Of five, with blocks of two; of three, with blocks of four.
NUMBERS = {
    "beyond the last whole block of {m}": ({4}, {0, 1, 2}),
    "beyond the last whole block of {m} where there is one": ({4}, set()),
    "beyond the last whole block of {m} where there are two": ({4}, set()),
    "left alone beyond the last whole block of {m}": ({4}, set()),
    "that two blocks of {m} have, as the last is moved back to be whole": ({3}, set()),
    "beyond the first block of {m}": ({2, 3, 4}, set()),
    "in whole blocks of {m}": ({0, 1, 2, 3}, set()),
    "that begin a block of {m} but the first": ({2, 4}, set()),
}


def of(fault, share):
    """A mistake in a part of a network alone."""
    (made,) = beside_blocks([fault], [share])
    return made


def case_of(n, cell="GRU", directions=1, proj_size=0, lengths=None):
    """A case of so many steps, rows and units, in which nothing is alike."""
    normal = np.random.default_rng(n).standard_normal
    config = Config(cell_of(cell), n, n, 1, directions == 2, proj_size=proj_size, dtype="float64")
    parameters = {name: normal(shape.sizes) for name, shape in parameter_shapes(config).items()}
    case = Case(config, parameters, normal((n, n, n)), lengths=lengths)
    return case.replace(**{name: normal(shape.sizes) for name, shape in state_shapes(case).items() if name != "x"})


def test_each_part_is_tried():
    assert NUMBERS.keys() == BESIDE.keys()


@pytest.mark.parametrize("which", BESIDE)
@pytest.mark.parametrize(("axis", "counted"), [("H", "units"), ("N", "rows")])
def test_the_numbers_of_a_part_are_those_of_the_faulty_network(axis, counted, which):
    for (n, m), wrong in zip(((5, 2), (3, 4)), NUMBERS[which]):
        case = steps(case_of(n), 0, 1)
        assert case.num_rows == case.config.hidden_size == n
        given, faulty, right = (
            one(case).output[0] for one in (FaultyReference(of(INVERTED, Share(axis, counted, which, m))).forward,
                                            FaultyReference(INVERTED).forward, forward)
        )  # fmt: skip
        apart, same = given != right, given == faulty
        for number in range(n):
            at = (slice(None), number) if axis == "H" else number
            assert apart[at].any() == (number in wrong)
            assert same[at].all() or number not in wrong


@pytest.mark.parametrize("which", BESIDE)
def test_the_steps_of_a_part_are_those_of_the_faulty_network(which):
    case, faulty = case_of(5), FaultyReference(INVERTED).forward
    given = FaultyReference(of(INVERTED, Share("T", "steps", which, 2))).forward(case)
    state = case.h_0
    for t in range(5):
        state = (faulty if t in NUMBERS[which][0] else forward)(steps(case, t, t + 1).replace(h_0=state)).h_n
        assert np.array_equal(given.output[t], state[0])


def test_parts_that_are_the_same_in_a_case_give_the_same_there():
    case = case_of(9, lengths=np.array([9, 4, 7, 1, 0, 9, 2, 3, 8]), directions=2)
    every = [Share(axis, counted, which, size) for axis, counted in EVERY for which in BESIDE for size in (4, 8)]
    given = {}
    for part in every:
        output = FaultyReference(of(INVERTED, part)).forward(case).output
        given.setdefault(part.numbers(case), set()).add(output.tobytes())
    assert 8 < len(given) < len(every)
    assert all(len(outputs) == 1 for outputs in given.values())
    assert len({output for outputs in given.values() for output in outputs}) > len(given) / 2


ALL = set(range(5))
# What is beyond the first block of three, in each direction: the rows, and the steps up to where that shows.
COUNTED_FROM_THREE = {
    "units": [(ALL, 0, 3)] * 2,
    "rows": [({3, 4}, 0, 3)] * 2,
    "rows, as they are packed,": [({0, 2}, 0, 1)] * 2,  # the others have more steps
    "rows, as they are packed in the order of computing,": [({0, 2}, 0, 1)] * 2,
    "steps": [({1, 3}, 3, 3), ({1, 3}, 0, 3)],
    "steps, in the order of computing,": [({1, 3}, 3, 3), (ALL, 0, 1)],
    "steps of the longest row": [({1, 3}, 3, 3), ({1, 3}, 0, 3)],
    "steps of the longest row, in the order of computing,": [({1, 3}, 3, 3), (ALL, 0, 0)],
    "steps of each row": [({1, 3}, 3, 3), ({1, 3}, 0, 3)],
    "steps of each row, in the order of computing,": [({1, 3}, 3, 3), ({1, 3}, 0, 0)],
}


@pytest.mark.parametrize(("axis", "counted"), EVERY)
def test_rows_and_steps_are_counted_in_the_order_of_computing_too(axis, counted):
    """Where both directions are run, rows are not sorted, and none has all five steps."""
    case = case_of(5, directions=2, lengths=np.array([2, 4, 1, 4, 3]))
    given = FaultyReference(of(INVERTED, Share(axis, counted, "beyond the first block of {m}", 3))).forward(case)
    apart = (given.output != forward(case).output).reshape(5, 5, 2, 5).any(-1)  # by step, row and direction
    for direction, (wrong, first, last) in enumerate(COUNTED_FROM_THREE[counted]):
        at, row = apart[:, :, direction].nonzero()
        assert (set(row), min(at), max(at)) == (wrong, first, last)


def test_rows_that_run_are_counted_from_where_each_begins():
    lengths = np.array([4, 1, 2])
    assert Turn(1, 5, lengths, 0).running.tolist() == [2, 2, 2]
    assert Turn(1, 5, lengths, 1).running[[0, 2]].tolist() == [1, 3]  # the third step of one, the first of the other
    assert Turn(0, 5, lengths, 1).running.tolist() == [1, 3, 2]


@pytest.mark.parametrize(("axis", "counted"), EVERY)
def test_where_there_are_no_rows_nothing_is_wrong(axis, counted):
    case = rows(case_of(5, lengths=np.arange(5)), [])
    given = FaultyReference(of(INVERTED, Share(axis, counted, "in whole blocks of {m}", 2))).forward(case)
    assert given.output.shape == (5, 0, 5)


def test_units_are_those_of_before_a_projection():
    case = steps(case_of(5, "LSTM", proj_size=2), 0, 1)
    share = Share("H", "units", "beyond the last whole block of {m}", 2)
    right, wrong = (
        one(case) for one in (forward, FaultyReference(of(FAULTS["cell-output-without-tanh"], share)).forward)
    )
    assert np.array_equal(right.c_n, wrong.c_n) and (right.h_n != wrong.h_n).all()
    other = FaultyReference(of(FAULTS["gates-coupled"], share)).forward(case)
    assert np.flatnonzero((right.c_n != other.c_n).any((0, 1))).tolist() == [4]


def test_gradients_are_wrong_there_alone():
    case = steps(case_of(5), 0, 1)
    d = {f"d_{name}": np.ones(shape.sizes) for name, shape in result_shapes(case).items()}
    fault = of(FAULTS["reset-missing-in-gradient"], Share("N", "rows", "beyond the first block of {m}", 2))
    right, wrong = (one(case, **d)["h_0"][0] for one in (gradients, FaultyReference(fault).gradients))
    assert np.flatnonzero((right != wrong).any(-1)).tolist() == [2, 3, 4]


@pytest.mark.parametrize("which", BESIDE)
def test_the_part_is_among_those_that_its_sizes_lead_to(which):
    for (axis, counted), size in product(EVERY, (4, 17)):
        share = Share(axis, counted, which, size)
        assert share in shares(axis, share.shows)


def test_no_part_shows_at_sizes_that_no_blocks_have():
    assert not list(shares("H", lambda n: n in (5, 8, 13)))


SOME = {
    "units": (UNUSED, Share("H", "units", "beyond the last whole block of {m} where there is one", 4)),
    "rows": (INVERTED, Share("N", "rows", "beyond the first block of {m}", 6)),
    "steps": (INVERTED, Share("T", "steps, in the order of computing,", "that begin a block of {m} but the first", 5)),
    "vectors": (UNUSED, Share("H", "units", "in whole blocks of {m}", 8)),
    "gradients": (
        FAULTS["reset-missing-in-gradient"], Share("N", "rows", "left alone beyond the last whole block of {m}", 4),
    ),
}  # fmt: skip


@pytest.mark.sample
@pytest.mark.parametrize("name", SOME)
def test_it_is_named(name):
    fault, share = SOME[name]
    report = check(FaultyTarget(of(fault, share), cells=("GRU",)), workers=1)
    assert [finding.title for finding in report.diagnosis if finding.exact] == [f"{fault.title}, only in {share}"]
    assert report.diagnosis[0].patch == fault.patch()


@pytest.mark.sample
def test_what_is_made_there_up_to_a_number_of_steps_alone_is_said_to_be_made_in_some_calls():
    wrong = FaultyTarget(of(UNUSED, SOME["units"][1]), cells=("GRU",))

    def target(case):
        return (wrong.forward if len(case.x) < 40 else reference.forward)(case)

    target.capabilities = Capabilities(cells=("GRU",))
    [found] = check(target, workers=1, in_process=True).diagnosis
    assert (
        found.fault == "measured.partly"
        and ", in some calls: wrong only where H > 4 and H is no multiple of 4" in found.title
    )


@pytest.mark.sample
def test_when_it_is_made_there_is_said():
    fault, share = SOME["units"]
    wrong = FaultyTarget(of(fault, share), cells=("GRU",))

    def target(case):
        return (wrong.forward if case.x.dtype == np.float32 else reference.forward)(case)

    target.capabilities = Capabilities(cells=("GRU",), dtypes=("float32", "float64"))
    [found] = check(target, workers=1, in_process=True).diagnosis
    when = "wrong only where the dtype is float32, H > 4 and H is no multiple of 4"
    assert found.title == f"GRU: {fault.title}, only in {share}, in some calls: {when}"
