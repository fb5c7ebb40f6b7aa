"""What is wrong in one form alone, without a state or for one row, shows where experiments are asked in this form."""

import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from conformance import Capabilities
from conformance.adapters.reference import as_case
from conformance.diagnosis.asking import Bench
from conformance.diagnosis.earlier import of_cell
from conformance.diagnosis.in_form import form_of_all, in_their_form
from conformance.diagnosis.measured import EXPERIMENTS as FORWARD
from conformance.diagnosis.measured import first_of
from conformance.diagnosis.work import EXPERIMENTS, Work
from conformance.faults import FAULTS, FaultyReference
from conformance.faults.patching import Fault
from conformance.harness.load import open_target
from conformance.judging.subject import Subject
from reference_rnn import case, cell_of, forward
from strategies.forms import PLAIN, WORDS, Form, form_of

SIGMOID = "z = sigmoid(affine(x, Z.W_ih, h, Z.W_hh, Z.b_ih, Z.b_hh))"
HARD = Fault("hard", "", "", "gru", SIGMOID, f"{SIGMOID.replace('sigmoid', 'np.clip(0.5 + 1 / 5 * ')[:-1]}), 0, 1)", ())
SAID = re.compile(
    r"the activation of gate z is a hard sigmoid, z / 5 \+ 1/2, must be sigmoid\(z\), [^,]*(, h_0 = 1)?, (.*)"
)
FORMS_CLAIMED = ("lengths", "batch_first", "unbatched", "default_state", "dropout")
CLAIMS = {"cells": ("GRU",), "dtypes": ("float64",), **dict.fromkeys(FORMS_CLAIMED, True)}


def shown_in(target, wrong, right=()):
    """In which form the update gate is said to be a hard sigmoid, as far as that of these cases shows it."""
    target.capabilities = Capabilities(**CLAIMS)
    opened = open_target(target, in_process=True)
    try:
        bench = Bench(Subject(opened), cell_of("GRU"), "float64", Work(2 * EXPERIMENTS))
        said, _ = in_their_form(partial(first_of, [FORWARD]), bench, wrong, right)
        assert bench.subject.form == PLAIN
    finally:
        opened.stop()
    return [SAID.fullmatch(sentence)[2] for _, sentence in said]


def hard_where(is_so):
    """The reference, whose update gate is a hard sigmoid in cases that are so."""

    def target(given):
        one = as_case(given)
        result = (FaultyReference(HARD).forward if is_so(one) else forward)(one)
        return result.output, result.h_n

    return target


def small(N=2, form=PLAIN, **options):
    """A case in a form."""
    state = {} if form.no_state else {"h_0": 0.5}
    return form.ask(case("GRU", T=3, N=N, I=2, H=3, L=2, dtype="float64", x=0.5, **state, **options))


FORMS = {
    "with batch_first": (lambda one: one.config.batch_first, [small(form=Form(batch_first=True))]),
    "without an initial state": (lambda one: one.h_0 is None, [small(form=Form(no_state=True))]),
    "with lengths": (
        lambda one: one.lengths is not None, [small(lengths=[1, 3]), small(lengths=[3, 2])]
    ),
    "in training, with p = 0": (lambda one: one.training, [small(dropout=0.5, training=True)]),
    "with dropout, outside training": (
        lambda one: one.config.dropout and not one.training, [small(form=Form(evaluation=True))]
    ),
    "without an axis of rows": (lambda one: one.x.ndim == 2, [small(1, Form(unbatched=True))]),
    "with one row": (lambda one: one.x.ndim == 3 and one.num_rows == 1, [small(1)]),
}  # fmt: skip


@pytest.mark.sample
@pytest.mark.parametrize("words", FORMS)
def test_what_is_wrong_in_one_form_is_measured_in_it(words):
    is_so, wrong = FORMS[words]
    assert shown_in(hard_where(is_so), wrong) == [words]


@pytest.mark.parametrize("words", FORMS)
def test_what_is_right_shows_nothing_in_any_form(words):
    assert shown_in(hard_where(lambda one: False), FORMS[words][1]) == []


@pytest.mark.parametrize(
    ("is_so", "words"),
    [
        (lambda one: one.h_0 is None, "without an initial state"),
        (lambda one: one.h_0 is None and one.config.batch_first, "with batch_first and without an initial state"),
    ],
)
def test_what_has_no_part_in_it_is_left_out(is_so, words):
    wrong = [small(form=Form(batch_first=True, no_state=True, all_lengths=True))]
    assert shown_in(hard_where(is_so), wrong) == [words]


def test_nothing_is_said_that_is_another_thing_in_a_fuller_form():
    hard = hard_where(lambda one: one.h_0 is None)
    inverted = FaultyReference(FAULTS["update-inverted-after"])

    def target(given):
        one = as_case(given)
        if one.h_0 is None and one.config.batch_first:
            result = inverted.forward(one)
            return result.output, result.h_n
        return hard(given)

    assert shown_in(target, [small(form=Form(no_state=True))]) == []


def test_nothing_is_said_of_a_form_in_which_another_case_is_right():
    form = Form(batch_first=True, no_state=True)
    hard, wrong = hard_where(lambda one: one.h_0 is None), [small(form=form)]
    right = [small(form=Form(batch_first=True)), small(form=Form(no_state=True)).replace(x=np.zeros((0, 2, 2)))]
    assert shown_in(hard, wrong, right) == ["without an initial state"]  # they have a state, or no steps
    assert shown_in(hard, wrong, [small(form=Form(no_state=True))]) == []


def test_lengths_that_are_all_t_are_told_from_others():
    form = Form(all_lengths=True)
    hard, wrong = hard_where(lambda one: form_of(one).all_lengths), [small(form=form)]
    ragged = small(lengths=[1, 3])
    assert shown_in(hard, wrong, [ragged]) == ["with lengths that are all T"]
    assert shown_in(hard, [*wrong, ragged], [ragged]) == []


def test_the_form_of_all_is_what_each_of_them_has():
    assert form_of_all([]) == PLAIN
    for name in WORDS:
        form = Form(**{name: True})
        cases = [small(1, form), small(1, replace(form, batch_first=True))]
        assert getattr(form_of_all(cases), name)
        assert form_of_all([*cases, small()]) == PLAIN


def test_a_case_is_none_of_a_cell_without_its_options():
    projected = case("LSTM", T=2, N=1, I=1, H=3, P=2)
    assert of_cell(projected, cell_of("GRU")) is None
    assert of_cell(case("RNN_TANH", T=2, N=1, I=1, H=3), cell_of("RNN_RELU")).config.cell == cell_of("RNN_RELU")
    assert np.array_equal(of_cell(projected, cell_of("LSTM")).x, projected.x)
