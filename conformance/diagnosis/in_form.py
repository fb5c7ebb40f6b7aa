"""Experiments in the form that all wrong cases have: what is wrong without a state, say, shows nothing with one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from conformance.faults.patching import Fault
from conformance.judging.words import enumeration
from reference_rnn import Case
from strategies.forms import PLAIN, Form, form_of

from .asking import Bench

ONE_ROW = {"batch": 1}
OTHERS = ("batch_first", "all_lengths", "evaluation", "training")  # of a form, which leave a network what it is
EITHER = ({"evaluation", "training"}, {"unbatched", "all_lengths"})  # no case is asked in both
Shown = tuple[list[tuple[str, str]], list[Fault]]  # sentences by their kinds, and mistakes that would explain them
Shows = Callable[[Bench, str], Shown]  # what experiments show, all of them or those of a kind


def in_their_form(shows: Shows, bench: Bench, wrong: Sequence[Case], right: Sequence[Case] = ()) -> Shown:
    """What is shown in the form that all wrong cases have, with one row where all have one; nothing in none.

    What of this has no part in it is left out; and nothing is said that is not shown whatever else the form has. The
    experiments have zeros almost everywhere, which may be why they fail: so where a case of the same form is right,
    nothing is said either.
    """
    form, sizes = form_of_all(wrong), ONE_ROW if wrong and all(case.num_rows == 1 for case in wrong) else {}
    said, leads = shown_in(form, sizes, shows, bench)
    if not said:
        return [], []
    ((kind, _), *_) = said

    def alike(form: Form, sizes: Mapping[str, int]) -> bool:
        return shown_in(form, sizes, shows, bench, kind)[0] == said

    for name in form.names():
        less = form.only([other for other in form.names() if other != name])
        if alike(less, sizes):
            form = less
    if sizes and alike(form, {}):
        sizes = {}
    if not all(alike(more, sizes) for more in with_more(form, bench.allowed.forms)):
        return [], leads
    whole = all(form_of(case).all_lengths for case in wrong)  # else some rows end before T
    if any(refutes(case, form, whole) and (not sizes or case.num_rows == 1) for case in right):
        return [], leads
    told = [str(form)] if whole else [str(replace(form, all_lengths=False)), "with lengths" if form.all_lengths else ""]
    words = enumeration([*filter(None, told), *["with one row"] * (bool(sizes) and not form.unbatched)])
    return [(kind, f"{sentence}, {words}") for kind, sentence in said], leads


def refutes(case: Case, form: Form, whole: bool) -> bool:
    """Whether a case that is right could have been wrong if a form were enough for that: it has numbers, steps, and it.

    whole  whether lengths of the form are all T
    """
    if case.num_steps < 2 or not case.num_rows or (whole and form.all_lengths and not form_of(case).all_lengths):
        return False
    return set(form.names()) <= set(form_of_all([case]).names())


def with_more(form: Form, claimed: Collection[str]) -> Iterator[Form]:
    """The form with one thing more, of what is claimed and leaves a network what it is."""
    mine = set(form.names())
    for name in OTHERS:
        if name in claimed and name not in mine and not any({name, *mine} >= pair for pair in EITHER):
            yield replace(form, **{name: True})  # type: ignore[arg-type]


def shown_in(form: Form, sizes: Mapping[str, int], shows: Shows, bench: Bench, kind: str = "") -> Shown:
    """What is shown in a form and with some sizes; nothing where that is how all was asked before."""
    if form == PLAIN and not sizes:
        return [], []
    subject = bench.subject
    before, subject.form = subject.form, form
    try:
        return shows(replace(bench, fixed=sizes), kind)
    finally:
        subject.form = before


def form_of_all(cases: Sequence[Case]) -> Form:
    """The form that all these have: of lengths, that they are given, and of dropout, whether it is training."""
    if not cases:
        return PLAIN
    forms = [form_of(case) for case in cases]
    return Form(
        batch_first=all(form.batch_first for form in forms),
        unbatched=all(form.unbatched for form in forms),
        no_state=all(form.no_state for form in forms),
        all_lengths=all(case.lengths is not None for case in cases),
        evaluation=all(form.evaluation for form in forms),
        training=all(case.training for case in cases),
    )
