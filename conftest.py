"""Which of the kit's own tests a run has, and what it cost."""

import datetime
import gc
import json
import multiprocessing.sharedctypes  # noqa: F401  # before pytester forgets it again, with classes that can be pickled
import subprocess
import zlib
from collections import Counter
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

HOME = Path(__file__).parent
PARTS = 20  # of all that is marked ``sample``; a run has one, and twenty successive commits have all


def pytest_addoption(parser):
    """Declares ``--sample``, ``--whole``, ``--shard`` and ``--record``."""
    parser.addoption("--sample", type=int, metavar="K", help=f"which part of {PARTS} of what is marked 'sample' runs")
    parser.addoption("--whole", action="store_true", help="run all that is marked 'sample'")
    parser.addoption("--shard", default="0/1", metavar="K/N", help="run the K-th of N shares of all tests, from 0 on")
    parser.addoption("--record", metavar="FILE", help="print what the run cost, and add it to a list in a file")


def pytest_configure(config):
    """Chooses the part; and has Python look seldom for garbage, among all that tests hold."""
    gc.set_threshold(100_000, 20, 50)
    config.addinivalue_line("markers", f"sample: one of {PARTS} runs with each commit, another one with the next")
    if config.option.sample is None:  # a worker of xdist is given what its controller chose
        config.option.sample = (commits() or datetime.datetime.now(datetime.UTC).toordinal()) % PARTS
    config.left_out = Counter()


def git(*words):
    """What git says of this checkout; nothing where there is no git, or no checkout."""
    try:
        done = subprocess.run(["git", "-C", str(HOME), *words], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def commits():
    """How many commits led to this one; 0 where the history is not there to be counted."""
    return int(git("rev-list", "--count", "HEAD") or 0) if git("rev-parse", "--is-shallow-repository") == "false" else 0


def share(name, parts):
    """Which of so many parts a name belongs to: the same wherever and whenever it is asked."""
    return zlib.crc32(name.encode()) % parts


def part(config):
    """What runs of all that is sampled, and how that is asked for."""
    return "--whole" if config.option.whole else f"--sample {config.option.sample}"


def pytest_report_header(config):
    """Says first what part of what is sampled runs, and how it is had again."""
    return f"sample: {part(config)} (one part of {PARTS}; --whole runs all)"


def pytest_collection_modifyitems(config, items):
    """Leaves out what is sampled and in another part, and what is in another shard."""
    shard, shards = map(int, config.option.shard.split("/"))
    kept, left_out = [], []
    for item in items:
        runs = share(item.nodeid, shards) == shard
        if item.get_closest_marker("sample"):
            if "moving" in item.fixturenames:  # whose parts but one would never come
                raise pytest.UsageError(f"{item.nodeid} has 'moving', and is marked 'sample' besides")
            item.user_properties.append(("again", f"pytest {part(config)} '{item.nodeid}'"))
            runs = runs and (config.option.whole or share(item.nodeid, PARTS) == config.option.sample)
        (kept if runs else left_out).append(item)
    items[:] = kept
    config.left_out = Counter(item.nodeid.partition("::")[0] for item in left_out)
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def moving(request):
    """Chooses, of a dict of many that are tried alike, those in the part that runs; one of them at least."""

    def chosen(things):
        whole, now = request.config.option.whole, request.config.option.sample
        found = {name: thing for name, thing in things.items() if whole or share(name, PARTS) == now}
        return found or dict(sorted(things.items(), key=lambda each: zlib.crc32(f"{now} {each[0]}".encode()))[:1])

    return chosen


def pytest_sessionfinish(session):
    """A worker of xdist hands to its controller what it left out."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(session.config.left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """All workers leave out the same; one that died says nothing."""
    node.config.left_out |= Counter(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter, config):
    """Says how what failed of the sample is had again, here and one commit before; and what the run cost."""
    reports = [report for some in terminalreporter.stats.values() for report in some if hasattr(report, "duration")]
    failed = [dict(report.user_properties) for report in reports if report.failed]
    again = dict.fromkeys(properties["again"] for properties in failed if "again" in properties)
    if again:
        terminalreporter.section("failed of the sample")
    for command in again:
        terminalreporter.line(command)
        terminalreporter.line(f"  one commit before: git checkout --detach HEAD^ && {command}; git checkout -")
    if config.option.record and not hasattr(config, "workerinput"):  # a worker of xdist has a part of it
        found = record(config, reports)
        file = Path(config.option.record)
        records = json.loads(file.read_text()) if file.exists() else []
        file.write_text(json.dumps([*records, found], indent=1) + "\n")
        terminalreporter.section("what the run cost")
        terminalreporter.line("seconds    ran  left out  file (pytest --whole FILE runs all of it)")
        for name, (seconds, ran, left_out) in found["files"].items():
            terminalreporter.line(f"{seconds:7.1f} {ran:6d} {left_out:9d}  {name}")
        terminalreporter.line("seconds  test")
        for name, seconds in found["slowest"].items():
            terminalreporter.line(f"{seconds:7.1f}  {name}")


def record(config, reports):
    """What ran, when, of which commit, what failed, and what it cost: seconds of all files and of thirty tests."""
    tests, outcomes = Counter(), {}
    for report in reports:
        tests[report.nodeid] += report.duration
        if report.when == "call" or not report.passed:
            outcomes[report.nodeid] = "failed" if report.failed else report.outcome
    files = Counter(dict.fromkeys(config.left_out, 0.0))
    for test, seconds in tests.items():
        files[test.partition("::")[0]] += seconds
    ran = Counter(test.partition("::")[0] for test in outcomes)
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": git("rev-parse", "HEAD"),
        "ran": f"{part(config)} --shard {config.option.shard}",
        "counts": dict(Counter(outcomes.values())) | {"left out": config.left_out.total()},
        "failures": [test for test, outcome in outcomes.items() if outcome == "failed"],
        "seconds": round(sum(tests.values())),
        "files": {name: (round(seconds, 1), ran[name], config.left_out[name]) for name, seconds in files.most_common()},
        "slowest": {test: round(seconds, 1) for test, seconds in tests.most_common(30)},
    }
