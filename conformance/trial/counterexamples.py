"""Counterexamples as small JSON files, kept in ``.rnn-conformance`` and judged first in later runs.

They are data: nothing in them is ever executed.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from conformance.harness.answer import Answer
from conformance.harness.files import FileError, Folder, read_json
from conformance.harness.load import Target, open_target
from conformance.harness.process import Limits
from conformance.judging.counterexample import Counterexample, is_beyond_room, optional_arrays
from conformance.judging.minimise import Repeating, Unrepeatable, right_in_new_process
from conformance.judging.oracle import Failure, NotRun
from conformance.judging.properties import Property
from conformance.judging.recurrent_subject import subject_of
from conformance.judging.serialisation import (
    CounterexampleError,
    Unclaimed,
    counterexample_from_data,
    counterexample_to_data,
    document,
)
from conformance.judging.subject import Subject
from reference_rnn import Case

from .options import UsageError, require_known
from .property_names import Names

Properties = Mapping[str, Property]  # by id

FOLDER = Path(".rnn-conformance")
LONGEST_NAME = 120  # characters of a folder's name
LARGEST = 2**22  # bytes of a file that is still a small counterexample
BY_NUMBERS = ("numbers", "bits", "answer")  # demands that the saved calls and numbers alone can judge
STATEFUL_SECONDS = 60.0  # for counterexamples of a target that keeps something: each costs processes of its own


def file_place(target: str, name: str) -> tuple[str, str]:
    """The folder and the name, in FOLDER, of a file about a target."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", target)[-LONGEST_NAME:].lstrip(".") or "_", name


def save(found: Counterexample) -> Path | None:
    """Writes a counterexample of a target; None where the folder cannot be written, or it is too large to be read."""
    text = document(counterexample_to_data(found))
    if len(text) > LARGEST:
        return None
    with contextlib.suppress(OSError):
        return Folder(FOLDER, own=True).write(file_place(found.target, f"{found.property}.json"), text)
    return None


def file_in(place: Path) -> Path:
    """The file of a counterexample, or the only one in a folder. Raises CounterexampleError."""
    if not place.is_dir():
        return place
    found = [str(file) for file in sorted(place.rglob("*.json"))]
    if len(found) == 1:
        return Path(found[0])
    raise CounterexampleError(f"{place} is a folder; counterexamples in it are {', '.join(found) or 'none'}")


def load(file: Path, described: bool = False) -> Counterexample:
    """The counterexample in a file, of any schema. Raises CounterexampleError, naming the file.

    described: whether cells that have not been loaded are as the file describes them; raises Unclaimed where it does
    not. No target is loaded, whatever the file names.
    """
    try:
        return counterexample_from_data(read_json(file, LARGEST), described)
    except Unclaimed:
        raise
    except (FileError, CounterexampleError) as error:
        raise CounterexampleError(f"{file}: {error}") from None


def current_name(file: Path, property: str, names: Names) -> str:
    """Today's name of the property that a file names. Raises CounterexampleError, naming the file."""
    now = names.current(property)
    try:
        require_known("property", now, names.properties)
    except UsageError as error:
        raise CounterexampleError(f"{file}: {error}") from None
    return now


def claimed_by(target: str) -> None:
    """Loads a target that the user has named, so that the cells that it claims are known. Raises TargetError."""
    open_target(target).stop()


def saved_counterexample(target: str, property_id: str) -> Counterexample | None:
    """The counterexample that an earlier run left, if it can be read."""
    try:
        return counterexample_from_data(
            Folder(FOLDER, own=True).read_json(file_place(target, f"{property_id}.json"), LARGEST)
        )
    except (FileError, CounterexampleError):
        return None


def replay_counterexample(found: Counterexample, target: Target, properties: Properties) -> Counterexample | None:
    """The counterexample as a new instance of the target fails on it now; None if the property holds.

    The property is judged, on the case that it was judged on, after the calls that came before it: so the verdict is
    that of the property, in the words of today. Where it holds, but makes other calls than those that were saved (those
    of another version of the kit do), the saved calls are made as well, and their results compared with the saved
    numbers. Raises NotRun if neither can tell.
    """
    subject = subject_of(target)
    prop = properties.get(found.property)
    if prop is not None:
        again = Repeating(prop, subject, Failure(found.kind, found.message), lambda case: True)
        again.plain = bool(found.calls) and all(call.is_plain for call in found.calls)
        again.anew = bool(found.calls) and not any(call.in_place for call in found.calls)
        now = again.judged(found.case, found.calls[: found.before])
        if now is not None:
            return now
        made = [call.plain() for call, _ in (*again.before, *subject.record.made)]
        as_saved = all(any(call.plain().same(other) for other in made) for call in found.calls)
        if again.applied and (as_saved or found.demand not in BY_NUMBERS):  # what one call gives another may be given
            return None
    return made_again(found, subject)


def made_again(found: Counterexample, subject: Subject) -> Counterexample | None:
    """Repeats a counterexample by its saved calls and numbers alone."""
    if found.demand not in BY_NUMBERS or not found.calls:
        raise NotRun("the property says nothing about this case, and the file does not say what is right")
    subject.restart()
    answers = []
    for number, call in enumerate(found.calls):
        answer = call.make(subject.target)
        answers.append(answer)
        if answer.problem and number in found.compared:
            return replace(found, message=f"the target {answer.problem.message}")
    if found.demand == "bits":
        one, *others = [answers[number].arrays for number in found.compared]
        same = all(a.tobytes() == other[name].tobytes() for other in others for name, a in one.items())
        return None if same else found
    wrong = found.demand == "numbers" and any(
        is_beyond_room(answers[number].arrays, found.expected[number], optional_arrays(found.calls[number]))
        for number in found.compared
    )
    return found if wrong else None


def find_counterexample(
    target: str, property_id: str, case: Case, properties: Properties, limits: Limits | None = None
) -> Counterexample | None:
    """The counterexample that a property's failure on a case is, in a fresh process; None if it holds.

    Raises TargetError if the target cannot be loaded.
    """
    opened = open_target(target, limits=limits)
    try:
        prop = properties[property_id]
        again = Repeating(prop, subject_of(opened), Failure("", ""), prop.allowed(opened.capabilities).admits)
        seen = again.judged(case)
        if seen is None:
            return None
        again.failure = Failure(seen.kind, seen.message)
        with contextlib.suppress(Unrepeatable):
            seen = again.found(case, ())
        return replace(seen, target=target, repeatable=True)
    finally:
        opened.stop()


def confirm_all(
    target: str, found: Sequence[Counterexample], properties: Properties, limits: Limits | None = None
) -> list[Counterexample]:
    """The counterexamples of a run, each with whether a fresh process failed on it too.

    One process judges all of them, another one in reverse order. Where both fail on each of them and give the same
    bits, what is called before does not matter, and each would fail in a process of its own. A target that keeps
    something between calls gets processes of its own for each, and the calls that must come before are looked for;
    what there is no time for is not repeatable. So does a counterexample of which chance leaves no bits to compare.

    Raises TargetError if the target cannot be loaded.
    """
    unknown = [one for one in found if one.repeatable is None]
    there = pass_of(target, unknown, properties, limits)
    back = pass_of(target, unknown[::-1], properties, limits)[::-1] if len(unknown) > 1 else there
    keeps = any(one is None or one != other for one, other in zip(there, back))
    deadline = time.monotonic() + STATEFUL_SECONDS
    results = []
    random = {one.property for one, told in zip(unknown, there) if not told and len(unknown) > 2}  # two each came first
    for one in found:
        unsure = one.repeatable is None and (keeps or one.property in random)
        if unsure and time.monotonic() < deadline:
            one = isolate(target, one, properties, limits)
        results.append(replace(one, repeatable=not unsure) if one.repeatable is None else one)
    return results


def wrong_alone(target: str, found: Counterexample, limits: Limits | None = None) -> bool | None:
    """Whether a counterexample of one call is wrong in a fresh process too, where none comes before it.

    None where there are several calls, or the saved numbers alone cannot tell.

    Raises TargetError if the target cannot be loaded.
    """
    if len(found.calls) != 1:
        return None
    opened = open_target(target, limits=limits)
    try:
        return made_again(found, subject_of(opened)) is not None
    except (Failure, NotRun):
        return None
    finally:
        opened.stop()


def pass_of(
    target: str, found: Sequence[Counterexample], properties: Properties, limits: Limits | None
) -> list[bytes | None]:
    """What one fresh process answers, as bytes, to the calls of each counterexample on which it fails; else None.

    Not what depends on masks that are drawn: they are others each time.
    """
    if not found:
        return []
    opened = open_target(target, limits=limits)
    seen: list[bytes | None] = []
    try:
        for one in found:
            again = Repeating(
                properties[one.property], subject_of(opened), Failure(one.kind, one.message), lambda c: True
            )
            again.plain = all(call.is_plain for call in one.calls)
            again.anew = not any(call.in_place for call in one.calls)
            shown = one.demand not in BY_NUMBERS or made_again(one, again.subject) is not None
            failed = shown and again.judged(one.case, one.calls[: one.before], brief=True) is not None
            answers = [answer for call, answer in again.subject.record.made if not call.case.draws]
            seen.append(b"".join(map(as_bytes, answers)) if failed else None)
    finally:
        opened.stop()
    return seen


def as_bytes(answer: Answer) -> bytes:
    """Every bit of an answer, or the kind of problem that there is in its place; never empty."""
    if answer.problem:
        return answer.problem.kind.encode()
    return b"".join(name.encode() + array.tobytes() for name, array in answer.arrays.items())


def isolate(target: str, found: Counterexample, properties: Properties, limits: Limits | None) -> Counterexample:
    """A counterexample in processes of its own: as it is, or after calls that must come before."""
    opened = open_target(target, limits=limits)
    prop = properties[found.property]
    again = Repeating(
        prop, subject_of(opened), Failure(found.kind, found.message), prop.allowed(opened.capabilities).admits
    )
    again.own_processes()
    before, message = found.calls[: found.before], found.message
    try:
        if again.fails(found.case, before):
            return replace(again.found(found.case, before), target=found.target, repeatable=True)
        if not before and again.judged(found.case, brief=True) is None and again.applied:
            message = right_in_new_process(message)
        return replace(again.with_instances(found.case, ()), target=found.target, repeatable=True)
    except Unrepeatable:
        return replace(found, message=message, repeatable=False)
    finally:
        opened.stop()
