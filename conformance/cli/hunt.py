"""``rnn-conformance hunt``: seeds that never repeat, and a corpus of what was found."""

from __future__ import annotations

from pathlib import Path

import click

from conformance.hunt.campaign import Hunt
from conformance.hunt.corpus import Corpus
from conformance.hunt.executors import Cluster, Engine, Processes
from conformance.hunt.shards import Shard
from conformance.report.hunt_report import HuntListener, Page
from conformance.report.output import say
from conformance.trial.interrupts import noted
from conformance.trial.options import UsageError, processes, seconds
from conformance.trial.worker_pool import cores

from .check import NOTHING, cache_elsewhere
from .console import verbatim
from .options import trial_options


@click.command()
@click.argument("targets", nargs=-1, required=True)
@click.option("--corpus", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), default="corpus",
              show_default=True, help="The folder that keeps what is found and what is done.")  # fmt: skip
@click.option("--shard", metavar="K/N", default="1/1", help="Take the K-th of N shares of the seeds, for a CI matrix.")
@click.option("--rounds", metavar="N", help="How many seeds of each target; without end if not given.")
@click.option("--scheduler", metavar="ADDRESS", help="Have the workers of this Dask scheduler do it (extra: hunt).")
@click.option("--wait", metavar="DURATION", help="How long to wait where the scheduler has no workers; if not given, "
              "until the budget is over, or ten minutes without one.")  # fmt: skip
@trial_options(
    "profile", "workers", "seed", "budget", "call-limit", "memory-limit", "forbid", "property", "no-diagnosis", "html",
    budget="Time for the hunt: 60s, 2h; the last call and explanations may take a minute more. Without end by default.",
    html="Write a page of all distinct findings there, each with its case and how often it came.",
)  # fmt: skip
def hunt(targets, corpus, shard, rounds, scheduler, wait, options):
    """Judges every TARGET on one seed after the other, and keeps each distinct failure once, made small.

    It ends with its --budget, after --rounds, or with Ctrl-C; nothing is lost, and the next hunt goes on from there.
    Distinct is a mistake that was named, or a sentence that was measured; where there is neither, the strongest
    property that fails, with the array or the type of the exception.
    Exit status: 0 it is over, and nothing was seen but what is known; 1 something that is not in the corpus as known;
    2 could not tell.
    """
    cache_elsewhere()
    share, most, waiting = Shard.read(shard), rounds_of(rounds), waiting_of(wait)
    away = scheduler is not None
    if away and options.workers:
        raise UsageError("--workers are processes of this machine, --scheduler has its own: give one of them")
    kept = Corpus.made(corpus)
    with noted() as interrupts:
        with interrupts.armed():
            engine: Engine = Cluster(scheduler) if away else Processes(options.workers or cores())
        page = Page(options.html)
        try:
            going = Hunt(targets, options, kept, engine, share, most, away, waiting)
        except BaseException:
            engine.end()
            raise
        with HuntListener(verbatim()) as watch:
            for event in going.events(interrupts):
                page(event)
                watch(event)
    for loss in page.losses:
        say(f"rnn-conformance: {loss}", err=True)
    return going.state.status or (NOTHING if page.losses else 0)


def waiting_of(text):
    """How many seconds to wait for workers; None if that was not said."""
    try:
        return None if text is None else seconds(text)
    except UsageError as error:
        raise UsageError(f"wait: {error}") from None


def rounds_of(text):
    """How many rounds, or None for any number."""
    try:
        return None if text is None else processes("0" if text == "auto" else text)
    except UsageError:
        raise UsageError(f"rounds: {text!r} is not a number of rounds") from None
