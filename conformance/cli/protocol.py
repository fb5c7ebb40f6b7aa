"""``rnn-conformance protocol``: the line protocol for targets in other languages."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from conformance.claims.allowed import in_own_layout
from conformance.claims.capabilities import COTANGENTS, Capabilities
from conformance.diagnosis.digits import few_digits
from conformance.harness import command
from conformance.harness.answer import Problem
from conformance.harness.load import open_target
from conformance.harness.text import short
from conformance.judging.gradients import cotangents
from conformance.report.output import say, show
from conformance.trial.options import UsageError
from conformance.trial.plan import limits_of
from reference_rnn import Case, Config, parameter_shapes, result_shapes, rounded, state_shapes
from reference_rnn import forward as reference

from .options import trial_options

SCHEMA = Path(command.__file__).parent / "schemas" / "protocol.json"
UNKNOWN = {"do": "fly"}


@click.group()
def protocol():
    """The line protocol: one JSON request a line, one reply a line."""


@protocol.command("schema")
def schema():
    """Prints the JSON Schema of requests and replies."""
    show(SCHEMA.read_text())
    return 0


@protocol.command("check")
@click.argument("target")
@trial_options("call-limit", "memory-limit")
def check(target, options):
    """Does a command keep to the protocol? TARGET is like "cmd: node my_rnn.js".

    Asks step by step, and says what was wrong with an answer; of the numbers, only whether they have enough digits. The
    start counts as a call.
    Exit status: 0 it keeps to it, 1 it does not, 2 it could not be started.
    """
    if not target.startswith("cmd:"):
        raise UsageError(f"{target!r} is no command, must be like 'cmd: node my_rnn.js'")
    limits = limits_of(options)
    opened = open_target(target, limits=replace(limits, load=limits.call))
    claims = opened.capabilities
    say(f"start: claims {', '.join(claims.cells)} in {', '.join(claims.dtypes)}")
    try:
        problems = [report(step, question(opened)) for step, question in protocol_steps(claims)]
        problems.append(report("stop", is_stopped(opened)))
    finally:
        opened.stop()
    wrong = sum(map(bool, problems))
    say(f"{target} keeps to the protocol" if not wrong else f"{wrong} of {len(problems)} answers were wrong")
    return int(wrong > 0)


def protocol_steps(claims: Capabilities):
    """Each thing that is asked: its name, and a function that asks it and returns what was wrong, or None."""
    for cell in claims.cells:
        case = small(cell, claims)
        yield f"forward of {cell}", lambda target, case=case: forward(target, case)
        if claims.nonfinite:
            poisoned = case.replace(x=case.x.copy())
            poisoned.x.flat[:3] = np.nan, np.inf, -np.inf
            yield f"forward of {cell} on NaN and infinities", lambda target, case=poisoned: forward(target, case)
        if claims.gradients:
            yield f"gradients of {cell}", lambda target, case=case: gradients(target, case)
    first = small(claims.cells[0], claims)
    yield "start again", lambda target: problem_of(target.start())
    yield "forward after that", lambda target: forward(target, first)
    yield f"an unknown request, {json.dumps(UNKNOWN, separators=(',', ':'))}", unknown


def small(cell: str, claims: Capabilities) -> Case:
    """A case of the cell: of each size the least that is drawn, else 3 steps, 2 rows, size 2 and 1 layer."""
    sizes = {name: min(allowed) for name, allowed in claims.sizes_drawn.items()}
    size = sizes.get
    config = Config(
        cell, size("input_size", 2), size("hidden_size", 2), size("num_layers", 1), claims.bidirectional == "only",
        claims.no_bias != "only", dtype=claims.dtypes[0],
    )  # fmt: skip
    x = (sizes.get("steps", 3), sizes.get("batch", 2), config.input_size)
    case = Case(config, {}, numbers(x, config))
    parameters = {name: numbers(s.sizes, config) for name, s in parameter_shapes(config).items()}
    states = {name: numbers(s.sizes, config) for name, s in state_shapes(case).items() if name != "x"}
    return in_own_layout(case.replace(parameters=parameters, **(states if claims.initial_state else {})), claims)


def numbers(sizes, config):
    """Positive numbers, no two alike: what is made of them takes all digits that there are."""
    return rounded(np.linspace(1 / 7, 3 / 7, math.prod(sizes)).reshape(sizes), config.dtype)


def forward(target, case):
    """What is wrong with the answer to forward."""
    answer = target.forward(case)
    if answer.problem:
        return answer.problem.message
    shown = target.capabilities.outputs
    wanted = {name: shape.sizes for name, shape in result_shapes(case).items() if name in shown}
    right = dict(reference(case).items())
    return shapes(answer.arrays, wanted) or few_digits([(answer.arrays, right)], case.config.dtype)


def gradients(target, case):
    """What is wrong with the answer to gradients."""
    d = {name: array for name, array in cotangents(case).items() if name in target.capabilities.cotangents}
    answer = target.gradients(case, {name: d.get(name) for name in COTANGENTS})
    if answer.problem:
        return answer.problem.message
    wanted = {name: array.shape for name, array in case.arrays() if target.capabilities.has_gradient(name)}
    beside = {name: shape.sizes for name, shape in result_shapes(case).items() if name in answer.arrays}
    return shapes(answer.arrays, wanted | beside)


def shapes(given, wanted):
    """The first array that is missing or has another shape."""
    for name, shape in wanted.items():
        if name not in given:
            return f"{name} is missing; there are {', '.join(given)}"
        if given[name].shape != shape:
            return f"{name} has shape {given[name].shape}, must be {shape}"
    return None


def unknown(target):
    """A request that does not exist must be answered with an error, not with silence or death."""
    if wrong := reopen(target):
        return wrong
    reply = target.exchange(UNKNOWN, target.limits.call)
    if isinstance(reply, Problem):
        return f'it {reply.message}; must answer with {{"error": ...}}'
    return None if "error" in reply else f'was answered with {short(reply)}, must be {{"error": ...}}'


def is_stopped(target):
    """Whether the process ends by itself."""
    if wrong := reopen(target):
        return wrong
    channel = target.channel
    channel.send(memoryview(target.written({"do": "stop"})))
    try:
        channel.process.wait(timeout=5)
    except Exception:
        return "did not end within 5 s"
    return None


def reopen(target):
    """Starts the process anew where an answer before was so wrong that it was ended; what is wrong with that."""
    return problem_of(target.start()) if target.channel is None else None


def problem_of(problem):
    """The message of a problem, if there is one."""
    return problem and problem.message


def report(step, wrong):
    """Says how one step went."""
    say(f"{step}: {wrong or 'fine'}")
    return wrong
