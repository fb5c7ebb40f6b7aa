"""Forms in which cases are asked."""

from dataclasses import fields
from itertools import product

import numpy as np
import pytest

from reference_rnn import CELLS, forward, gradients
from strategies import layout_of
from strategies.cases import BLOCK_SIZE, Allowed, Sketch, build, from_block
from strategies.forms import LENGTHS, PLAIN, WORDS, Form, answered, cotangent_as_asked, form_of, kind_of_lengths, plain
from strategies.memory import LAYOUTS

NAMES = [field.name for field in fields(Form)]
FORMS = [
    Form(*chosen, kind)
    for chosen in product((False, True), repeat=len(NAMES) - 1)
    for kind in ("", "uint8")
    if not all(chosen[-2:]) and (chosen[3] or not kind)
]
ANYTHING = Allowed(CELLS, forms=NAMES, projections=True, empty=("time", "batch", "length"))
ONE_ROW = Sketch(T=3, N=1, I=2, H=3, num_layers=2, bidirectional=True, cell=4, projection=1, mode=8)


def same(one, other):
    """Whether two cases are the same in everything, memory layouts included."""
    arrays = [dict(case.arrays()) for case in (one, other)]
    return (
        (one.config, one.training) == (other.config, other.training)
        and (one.lengths is None) == (other.lengths is None)
        and np.array_equal(one.row_lengths, other.row_lengths)
        and kind_of_lengths(one.lengths) == kind_of_lengths(other.lengths)
        and arrays[0].keys() == arrays[1].keys()
        and all(np.array_equal(array, arrays[1][name], equal_nan=True) for name, array in arrays[0].items())
        and all(array.dtype == arrays[1][name].dtype for name, array in arrays[0].items())
        and all(layout_of(array) == layout_of(arrays[1][name]) for name, array in arrays[0].items())
    )


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_case_is_built_in_the_form_that_it_can_have(form):
    case = build(Sketch(**{**vars(ONE_ROW), "form": form}), ANYTHING).check()

    impossible = ("all_lengths", "lengths") if form.unbatched else ()
    assert form_of(case).names() == [n for n in form.names() if n not in impossible]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_taking_a_form_apart_and_asking_in_it_are_inverse(form):
    case = build(Sketch(**{**vars(ONE_ROW), "form": form}), ANYTHING)
    meant, found = ANYTHING.taken_apart(case)

    assert form_of(meant) == PLAIN
    assert same(found.ask(meant), case)


def test_so_they_are_for_whatever_is_drawn():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(600):
        case = from_block(rng.bytes(BLOCK_SIZE), ANYTHING).check()
        meant, form = ANYTHING.taken_apart(case)
        assert form_of(meant) == PLAIN and form_of(meant.check()) == PLAIN
        assert same(form.ask(meant), case), case.config
        seen.add(form)
    assert len(seen) > 25


def test_what_is_not_allowed_is_not_drawn_and_stays_part_of_the_case():
    rng = np.random.default_rng(0)
    usual = Allowed(CELLS, lengths=False)
    assert all(form_of(from_block(rng.bytes(BLOCK_SIZE), usual)) == PLAIN for _ in range(200))
    case = Form(batch_first=True).ask(build(ONE_ROW, usual))
    assert usual.taken_apart(case) == (case, PLAIN)


@pytest.mark.sample
@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("rows, lengths", [(1, None), (3, None), (3, (1, 0, 2)), (0, None)])
def test_the_problem_stays_the_same(form, rows, lengths):
    case = build(Sketch(T=3, N=rows, I=2, H=3, num_layers=2, bidirectional=True, lengths=lengths, cell=4), ANYTHING)
    if form.no_state:
        case = case.map(lambda name, array: 0 * array if name in ("h_0", "c_0") else array)
    asked = form.ask(case).check()
    d = {f"d_{name}": np.ones_like(array) for name, array in forward(case).items()}
    asked_d = {name: cotangent_as_asked(asked, case, name, array) for name, array in d.items()}

    for name, array in forward(asked).items():
        np.testing.assert_array_equal(answered(asked, case, name, array), getattr(forward(case), name))
    expected = gradients(case, **d)
    for name, array in gradients(asked, **asked_d).items():
        np.testing.assert_array_equal(answered(asked, case, name, array), expected[name])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_keep_their_memory_layout(layout):
    case = build(Sketch(T=3, N=2, I=4, H=3, memory=layout, relay=2), Allowed())

    assert layout_of(Form(batch_first=True).ask(case).x) == layout


def test_what_is_asked_otherwise_already_stays_as_it_is():
    everything = Form(True, True, True, True, True)
    case = build(ONE_ROW, Allowed(("LSTM",)))
    for already in (Form(batch_first=True).ask(case), Form(unbatched=True).ask(case)):
        asked = everything.ask(already)
        assert asked.x is already.x and asked.config.batch_first == already.config.batch_first
    training = case.replace(dropout=0.25, training=True)
    assert everything.ask(training).config.dropout == 0.25
    assert everything.ask(case).h_0 is not None, "a state that is not zero must be given"


def test_a_state_that_is_not_given_comes_back_as_zeros_of_the_dtype_of_the_case():
    case = build(
        Sketch(T=2, N=2, I=2, H=3, form=Form(no_state=True), dtype=2), Allowed(dtypes=("float16",) * 3, forms=NAMES)
    )
    assert case.h_0 is None
    meant = plain(case, form_of(case))
    assert meant.h_0.dtype == np.float16 and not meant.h_0.any() and meant.h_0.shape == (1, 2, 3)


def test_a_form_says_itself_in_words():
    assert str(Form(batch_first=True, no_state=True)) == "with batch_first and without an initial state"
    assert {*WORDS, "lengths"} == set(NAMES) and str(PLAIN) == ""
    assert str(Form(all_lengths=True, lengths="uint8")) == "with lengths of uint8"


@pytest.mark.parametrize("kind", LENGTHS)
def test_lengths_are_the_same_numbers_in_every_kind(kind):
    case = build(Sketch(T=3, N=4, I=2, H=3, lengths=(1, 0, 2), form=Form(lengths=kind)), ANYTHING).check()
    meant = plain(case, form_of(case))

    assert kind_of_lengths(case.lengths) == kind and kind_of_lengths(meant.lengths) == ""
    assert case.lengths.tolist() == meant.lengths.tolist() == case.row_lengths.tolist() == [2, 3, 1, 2]
    assert meant.lengths.dtype == np.int64


def test_lengths_that_a_dtype_cannot_hold_stay_as_they_are():
    long = build(Sketch(T=200, N=2, I=1, H=1, lengths=(0, 3)), ANYTHING)

    assert Form(lengths="int8").ask(long).lengths.dtype == np.int64
    assert Form(lengths="uint8").ask(long).lengths.dtype == np.uint8
    assert Form(lengths="strided").ask(long).lengths.strides == (16,)
