"""What instances share: a target that is a module keeps what it keeps for all of them, and so misleads experiments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from conformance.harness.call import Call
from conformance.harness.process import ProcessTarget
from conformance.judging.counterexample import Counterexample
from conformance.judging.oracle import Failure, NotApplicable, NotRun
from conformance.judging.subject import Subject

from .asking import Bench
from .earlier import is_wrong, made, with_another_end
from .variations import variations
from .work import Work

LOOKED_AT = 4  # failures
PROCESSES = 2  # that are compared


def keep_apart(subject: Subject, failures: Sequence[Counterexample], calls: Work) -> None:
    """Has each instance of a target be a copy of what was loaded, if instances share what makes answers wrong.

    They do where a new process was right on a failure, or is now on one that none has tried. Else the calls of failures
    are made; then new instances are asked for the last one of each alone, and for calls that differ from it in one
    thing. What they get wrong, and a copy gets right, is wrong by what was kept. Not where processes differ: copies
    have the same chance, all of them.
    """
    target, found = subject.target, failures[:LOOKED_AT]
    if not isinstance(target, ProcessTarget) or subject.capabilities.recompiles:
        return
    benches = [Bench(subject, one.case.config.cell, one.case.config.dtype, calls) for one in found]
    with suppress(Failure, NotApplicable, NotRun):
        if any(one.repeatable is False for one in failures) or any(map(is_right_now, benches, found)):
            if all(map(is_steady, benches, found)):
                target.copy_instances()
            return
        for bench, one in zip(benches, found):
            make_all(bench, one)
        asked = ((bench, call) for bench, one in zip(benches, found) for call in alike(bench, one))
        wrong = [(bench, call) for bench, call in asked if wrong_anew(bench, call)]
        if wrong and target.copy_instances():
            shared = not all(wrong_anew(bench, call) for bench, call in wrong)
            target.copy_instances(False)
            if shared and all(map(is_steady, benches, found)):
                target.copy_instances()


def is_right_now(bench: Bench, found: Counterexample) -> bool:
    """Whether the one call of a failure is right in a process that made few others, where nobody has tried that yet."""
    untried = found.repeatable is None and found.demand == "numbers" and len(found.calls) == 1
    return untried and not found.is_beside_gradients() and is_wrong(bench, found.calls[0]) is False


def is_steady(bench: Bench, found: Counterexample) -> bool:
    """Whether new processes give the same answers to the calls of a failure."""
    seen = set()
    for _ in range(PROCESSES):
        bench.restart(process=True)
        answers = [made(bench, call) for call in found.calls]
        seen.add(b"".join(array.tobytes() for answer in answers if answer for array in answer.arrays.values()))
    return len(seen) == 1


def make_all(bench: Bench, found: Counterexample) -> None:
    """Has a new instance answer all calls of a failure."""
    bench.restart()
    for call in found.calls:
        made(bench, call)


def alike(bench: Bench, found: Counterexample) -> Iterator[Call]:
    """The last call that a failure is about, calls that lack one thing that it has, and it again after other numbers.

    What is kept shows nothing where all numbers are zero, as those of a smallest case may be.
    """
    number = found.about()[-1]
    call = replace(found.calls[number], in_place=False)
    yield call
    yield from (other for other in variations(bench, call) if bench.subject.takes(other.case))
    yield replace(call, case=with_another_end(call.case))
    yield call


def wrong_anew(bench: Bench, call: Call) -> bool:
    """Whether a new instance answers a call wrongly, or not at all."""
    try:
        return is_wrong(bench, call) is not False
    except Failure:
        return True
