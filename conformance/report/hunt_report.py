"""A hunt, for those who watch it: lines, a display on a terminal, and a page that is written anew as it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from conformance.harness.text import LINE, visible
from conformance.hunt.corpus import Kept
from conformance.hunt.hunt_events import Begun, FindingFound, Happening, HuntOver, Idle, Moved, State, Target

from . import report_files
from .pulse import Pulse
from .rendering import templates
from .terminal import line

REFRESH = 10.0  # seconds between two pages, where nothing was found
SHORT = 12  # characters of an id, for people


class HuntListener:
    """Shows findings as they come, where the hunt is on a terminal, and what became of it at the end."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None
        self.pulse = None if console.is_terminal else Pulse(lambda: self.doing)
        self.doing = "loading"

    def __enter__(self) -> HuntListener:
        if self.live:
            self.live.start()
        if self.pulse:
            self.pulse.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()
        if self.pulse:
            self.pulse.stop()

    def __call__(self, event: Happening) -> None:
        """Shows what there is to show."""
        if isinstance(event, Moved):
            self.doing = f"hunting: {how_far(event.state)}"
        if isinstance(event, Begun):
            line(self.console, begun(event.state))
        elif isinstance(event, FindingFound):
            line(self.console, found(event.finding), "red" if event.finding.is_new else "")
        elif isinstance(event, Idle):
            line(self.console, idle(event.seconds))
        if isinstance(event, HuntOver):
            self.__exit__()
            for text in summary(event.state):
                line(self.console, text)
        elif self.live:
            self.live.update(table(event.state), refresh=True)


class Page:
    """Writes the page of a hunt, whenever something is found, and now and then.

    losses  in a sentence each, what could not be written
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.losses: list[str] = []
        self.last = -REFRESH

    def __call__(self, event: Happening) -> None:
        """Writes it, if it is time."""
        now = time.monotonic()
        if self.file and (isinstance(event, (FindingFound, HuntOver)) or now - self.last > REFRESH):
            self.last = now
            self.losses = report_files.write_files({self.file: page(event.state, over=isinstance(event, HuntOver))})


def begun(state: State) -> str:
    """What is hunted, in a line."""
    names = ", ".join(target.name for target in state.targets)
    before = sum(target.before for target in state.targets)
    done = f", {before:,} rounds are done already" if before else ""
    return f"hunting      {names} (share {state.shard}, corpus {state.corpus}{done})"


def idle(seconds: float) -> str:
    """The line that says that no worker is at anything."""
    return f"no workers   {f'for {seconds:.0f} s, ' if seconds else ''}waiting for some to join"


def found(finding: Kept) -> str:
    """A finding in a line."""
    return f"{finding.status:12} {finding.id[:SHORT]} {finding.target}: {finding.title}"


def summary(state: State) -> Iterator[str]:
    """What became of a hunt, in lines."""
    if state.early:
        kept = "what was found and done is kept, and the next hunt goes on from there"
        yield f"{state.early}; {'what was found last is not in it' if state.unkept else kept}"
    yield f"{how_far(state)} (corpus {state.corpus})"
    for target in state.targets:
        yield f"  {target.name}: {', '.join(figures(target))}"
    if any(target.alike is not None for target in state.targets):
        yield f"  mutants took {state.share:.1%} of the time"
    for sentence in state.lost:
        yield f"  could not be done: {sentence}"


def how_far(state: State) -> str:
    """What has been done by now, and what was found."""
    seen = f"{len(state.new)} new, {len(state.known)} known"
    return f"{counted(state.rounds)} in {state.seconds:.0f} s: {seen}"


def figures(target: Target) -> Iterator[str]:
    """How far a target has been hunted."""
    yield counted(target.before + target.rounds)
    yield f"{target.cases:,} cases"
    yield f"{len(target.covered)} of {len(target.areas)} claims covered"
    if target.alike is not None:
        yield f"{target.mutants - len(target.alike):,} of {target.mutants:,} mutants told apart"


def counted(rounds: int) -> str:
    """So many rounds, in words."""
    return "1 round" if rounds == 1 else f"{rounds:,} rounds"


def table(state: State) -> Table:
    """Where a hunt is, for a terminal."""
    made = Table(title=f"{state.rounds:,} rounds, {state.seconds:.0f} s, {state.workers} workers", expand=False)
    for name in ("target", "rounds", "cases", "claims covered", "mutants told apart", "new", "known"):
        made.add_column(name, justify="left" if name == "target" else "right")
    for target in state.targets:
        both = state.new, state.known
        new, known = (sum(visible(one.target, LINE) == target.name for one in some) for some in both)
        told = "" if target.alike is None else f"{target.mutants - len(target.alike):,}/{target.mutants:,}"
        made.add_row(
            Text(target.name), f"{target.rounds:,}", f"{target.cases:,}", f"{len(target.covered)}/{len(target.areas)}",
            told, str(new), str(known),
        )  # fmt: skip
    made.caption = f"mutants took {state.share:.1%} of the time"
    return made


def page(state: State, over: bool) -> str:
    """The page of a hunt."""
    return templates().get_template("hunt.html").render(state=state, over=over, short=SHORT, figures=figures)
