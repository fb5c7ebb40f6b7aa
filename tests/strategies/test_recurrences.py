"""Cases of recurrences: whatever is claimed is met, nothing else is drawn, and they shrink."""

import itertools

import numpy as np
import pytest

from reference_rnn import recurrence
from strategies.recurrences import ARRANGED, Sequences, pack_rows, shrink_recurrence, simpler, simpler_numbers

GATED = recurrence(
    inputs={"q": "K", "v": "V", "g": ""}, states={"S": "KV", "n": ""}, outputs={"o": "V"}, parameters={"w": "K"},
    ranges={"g": (-2, -0.5)},
)  # fmt: skip
EVERYTHING = Sequences(
    (GATED,), ("float32", "float64"), {"step": {}, "chunk": {"T": 4}}, ARRANGED, None, ("time", "batch", "length")
)


def cases(allowed, count=60):
    return [allowed.from_block(bytes([n, n // 256, 7])) for n in range(count)]


def test_every_case_is_one_that_may_be_drawn():
    for case in [*EVERYTHING.covering(3), *cases(EVERYTHING)]:
        case.check()
        assert EVERYTHING.admits(case)
        assert case.mode != "chunk" or all(length % 4 == 0 for length in case.row_lengths)
        g = case.inputs["g"]
        assert ((g >= -2) & (g <= -0.5)).all()
        assert all((array.astype("f4") == array).all() for _, array in case.arrays())


def test_covering_cases_meet_in_pairs():
    traits = {
        "mode": lambda c: c.mode, "dtype": lambda c: c.config.dtype, "none": lambda c: c.stateless,
        "arranged": lambda c: (c.offsets is not None, c.lengths is not None), "rows": lambda c: c.num_rows > 1,
        "heads": lambda c: c.config.heads > 1, "long": lambda c: c.num_steps > 16,
    }  # fmt: skip
    found = list(EVERYTHING.covering(1))
    for one, other in itertools.combinations(traits.values(), 2):
        met = {(one(case), other(case)) for case in found}
        assert len(met) == len({one(case) for case in found}) * len({other(case) for case in found})


def test_the_same_block_is_the_same_case():
    one, other = EVERYTHING.from_block(b"abc"), EVERYTHING.from_block(b"abc")
    assert repr(one) == repr(other)
    assert repr(one) != repr(EVERYTHING.from_block(b"abd"))


def test_sizes_that_are_claimed_are_the_only_ones():
    allowed = Sequences((GATED,), sizes={"K": (16,), "heads": (4,), "steps": (8, 16), "batch": (2,)})
    for case in [*allowed.covering(0), *cases(allowed)]:
        assert (case.config.sizes["K"], case.config.heads, case.num_rows) == (16, 4, 2)
        assert case.num_steps in (8, 16)


@pytest.mark.parametrize("arranged", ARRANGED)
def test_a_case_shrinks_to_what_matters(arranged):
    allowed = Sequences((GATED,), arranged=ARRANGED, min_rows=1)
    case = next(c for c in allowed.covering(5) if c.num_steps > 16 and c.num_rows > 1)
    case = pack_rows(case) if arranged == "packed" and case.offsets is None else case
    assert abs(case.inputs["v"]).max() > 0.25

    def fails(c):
        return bool((abs(c.inputs["v"]) > 0.25).any())

    least = shrink_recurrence(case, fails, allowed.admits)
    assert fails(least) and allowed.admits(least)
    assert least.num_steps <= 2 and least.num_rows == 1 and least.config.heads == 1
    assert least.config.sizes == {"K": 1, "V": 1} and not least.inputs["q"].any()


def test_whatever_is_simpler_is_still_a_case():
    for case in EVERYTHING.covering(9):
        for smaller in itertools.islice(simpler(case), 40):
            smaller.check()


def test_packing_leaves_nothing_but_padding_out():
    case = next(c for c in EVERYTHING.covering(2) if c.lengths is not None and c.num_rows > 1)
    whole = pack_rows(case)
    assert whole.num_rows == case.num_rows and (whole.row_lengths == case.row_lengths).all()
    assert (whole.inputs["q"] == case.inputs["q"][case.valid]).all()
    assert np.diff(whole.offsets).tolist() == case.lengths.tolist()


def test_chunks_shrink_to_one():
    allowed = Sequences((GATED,), multiples={"chunk": {"T": 16}})
    case = next(c for c in allowed.covering(0) if c.num_steps > 32)
    least = shrink_recurrence(case, lambda c: c.num_rows > 0, allowed.admits)
    assert (least.num_steps, least.num_rows) == (16, 1)


def test_no_number_is_added():
    for case in EVERYTHING.covering(4):
        nonzero = {name: array != np.clip(0, *GATED.ranges.get(name, (0, 0))) for name, array in case.arrays()}
        for smaller in simpler_numbers(case):
            assert all(not (array != case_of(name, array))[~nonzero[name]].any() for name, array in smaller.arrays())


def case_of(name, array):
    """The array of zeros of its name."""
    return np.full_like(array, np.clip(0, *GATED.ranges.get(name, (0, 0))))


def test_what_is_needed_is_all_that_is_left():
    allowed = Sequences((GATED,), min_steps=4, min_rows=2)
    case = next(c for c in allowed.covering(5) if abs(c.inputs["v"][3, 1, 0, 0]) > 0.5)
    least = shrink_recurrence(case, lambda c: abs(c.inputs["v"][3, 1, 0, 0]) > 0.5, allowed.admits)
    assert np.count_nonzero(least.inputs["v"]) == 1 and not least.inputs["q"].any()
