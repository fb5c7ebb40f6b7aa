"""``rnn-conformance compare``: does a new version differ from an old one beyond rounding?"""

from __future__ import annotations

from dataclasses import asdict
from math import inf

import click

from conformance.chapters import catalogue
from conformance.comparison.compare import compare as compare_targets
from conformance.events import Diagnosis, PropertyResult
from conformance.harness.load import TargetError, open_target
from conformance.harness.text import json_text
from conformance.judging.serialisation import case_to_data, counterexample_to_data
from conformance.report.output import say
from conformance.report.report_files import write_files
from conformance.report.terminal import diagnosis, plain, wrapped
from conformance.report.wording import counting
from conformance.trial.counterexamples import find_counterexample, save
from conformance.trial.options import GIT, UsageError, revision
from conformance.trial.plan import Plan, limits_of
from conformance.trial.revision import opened_at
from conformance.trial.runner import explain, reopen_target, stopping
from conformance.trial.verdict import kit_version

from .check import NOTHING, cache_elsewhere
from .console import verbatim
from .options import trial_options

SCHEMA = 1
LEAVES = {
    "NEW": "NEW leaves the reference, OLD does not",
    "OLD": "OLD leaves the reference, NEW does not",
    "both": "both leave the reference, each in its own way",
    "neither": "they differ, and without equations nobody knows which of them is wrong",
}


@click.command()
@click.argument("old")
@click.argument("new")
@trial_options("profile", "seed", "call-limit", "memory-limit", "json")
def compare(old, new, options):
    """Does NEW differ from OLD beyond rounding, and which of them is wrong?

    OLD and NEW are targets as check takes them, often one file twice, OLD behind python=INTERPRETER. git:REV as OLD is
    NEW as it was at that revision, with the packages of its repository.
    Dropout in training, NaN in the input, and what takes several calls, are for check to judge.
    Exit status: 0 no difference beyond rounding, 1 they differ or NEW claims less, 2 could not tell.
    """
    cache_elsewhere()
    console = verbatim()
    profile, seed, limits = options.profile, options.seed, limits_of(options)
    with opened_old(old, new, limits) as before, stopping(open_side("NEW", new, limits)) as after:
        found = compare_targets(before, after, catalogue(), options.random_cases, seed)
    seen = failure_of_new(found, new)
    why = explanation(seen, new, options) if seen else Diagnosis([], [])
    share = f"{len(found.differences)} of {found.cases:,} cases differ, {profile}, seed {seed}"
    lines = [
        *plain([summary_lines(found)]),
        *diagnosis(why.findings, why.known, wrapped),
        *plain([smallest(found, seen)]),
        ("bold", f"{headline(found, old, new)} ({share})"),
    ]
    for style, line in lines:
        console.print(line, style=style, soft_wrap=True)
    losses = write_files({options.json: json_text(as_data(found, why, old, new, profile, seed), indent=1)})
    for loss in losses:
        say(f"rnn-conformance: {loss}", err=True)
    return found.status or (NOTHING if losses else 0)


def opened_old(old, new, limits):
    """OLD, which is stopped at the end; raises TargetError or UsageError."""
    if new.startswith(GIT):
        raise UsageError(f"NEW is {new}: git: is for OLD alone; NEW is a file as it stands, like my_rnn.py")
    if old.startswith(GIT):
        return opened_at(revision(old), new, limits)
    return stopping(open_side("OLD", old, limits))


def open_side(side, target, limits):
    """One of the two targets; raises TargetError, saying which."""
    try:
        return open_target(target, limits=limits)
    except TargetError as error:
        raise TargetError(f"{side}: {error}") from None


def headline(found, old, new):
    """The verdict in a sentence."""
    if found.differences:
        return f"{new} differs from {old} beyond rounding"
    if found.lost:
        return f"{new} claims less than {old}"
    return f"{new} is {old}, but for rounding" if found.status == 0 else f"{new} could not be compared with {old}"


def failure_of_new(found, new):
    """The smallest difference as a counterexample of NEW; None where it is not NEW that leaves the reference."""
    first = found.smallest
    if first is None or not found.always or first.leaves in ("OLD", "neither"):
        return None
    return find_counterexample(new, first.failing, first.case, catalogue())


def explanation(seen, new, options):
    """Why NEW leaves the reference, as a check of it says."""
    plan = Plan.of(options, catalogue)
    failed = PropertyResult(
        seen.property, "failed", message=seen.message, case=case_to_data(seen.case), kind=seen.kind,
        found=counterexample_to_data(seen),
    )  # fmt: skip
    return explain(plan, lambda: reopen_target(new, plan), [failed], inf, []) or Diagnosis([], [])


def summary_lines(found):
    """What the cases showed, in lines; an empty one at the end where more follows."""
    counts = found.counts
    yield f"  the same, but for rounding {counts['same']:5,} cases, {counts['identical']:,} of them bit for bit"
    if counts["wrong alike"]:
        yield f"  wrong, both alike          {counts['wrong alike']:5,} cases; rnn-conformance check says why"
    if counts["void"]:
        yield f"  too uncertain to tell      {counts['void']:5,} cases"
    if found.suspected:
        yield from wrapped(f"first: {found.suspected[0]}", "    ")
    if found.stopped:
        yield "  processes died too often; the other cases were not run"
    for word, claims in (("lost", found.lost), ("gained", found.gained)):
        if claims:
            yield from wrapped(f"claims {word:6}: {'; '.join(claims)}", "  ")
    for sort, areas in found.areas.items():
        alike = [difference for difference in found.differences if difference.sort == sort]
        first = alike[0]
        failing = "" if first.leaves == "neither" else f" ({first.failing})"
        yield ""
        yield f"  {LEAVES[first.leaves]}{failing}: {counting(len(alike), 'case', 'cases')}"
        yield from wrapped(f"first: {first.old if first.leaves == 'OLD' else first.new}", "    ")
        numbers = ", ".join(str(difference.number) for difference in alike[:12])
        yield f"    {'case' if len(alike) == 1 else 'cases'} {numbers}{', ...' if len(alike) > 12 else ''}"
        if areas:
            yield from wrapped(f"in all of them: {', '.join(areas)}", "    ")
    if found.smallest:
        yield ""


def smallest(found, seen):
    """The first difference made small, if there is one.

    seen: it as a counterexample of NEW, if it is one, which is saved
    """
    first = found.smallest
    if first is None:
        return
    yield from wrapped(f"smallest case: {first.case!r}", "  ")
    yield from wrapped(f"OLD: {first.old}", "    ")
    yield from wrapped(f"NEW: {first.new}", "    ")
    if not found.always:
        yield "  not every time: new instances that were called with this case alone did not differ"
    if file := seen and save(seen):
        yield f"  saved        {file}; rnn-conformance replay FILE TARGET"


def as_data(found, why, old, new, profile, seed):
    """The comparison in the order of its JSON."""

    def plain(difference):
        names = ("number", "leaves", "failing", "kind", "old", "new")
        return {name: getattr(difference, name) for name in names}

    first = found.smallest
    return {
        "schema": SCHEMA, "kit_version": kit_version(), "old": old, "new": new,
        "profile": profile, "seed": seed, "status": found.status, "cases": found.cases,
        "counts": {name: found.counts[name] for name in ("same", "identical", "wrong alike", "void")},
        "stopped": found.stopped, "lost": found.lost, "gained": found.gained,
        "differences": [plain(difference) for difference in found.differences],
        "smallest": first and plain(first)
        | {"always": found.always, "counterexample": repr(first.case), "case": case_to_data(first.case)},
        "diagnosis": [asdict(finding) for finding in why.findings], "known": why.known,
    }  # fmt: skip
