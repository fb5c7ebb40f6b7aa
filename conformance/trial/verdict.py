"""The verdict on a target, as plain data."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any, ClassVar, Literal

from conformance.claims.capabilities import Capabilities
from conformance.events import Diagnosis, Finding, PropertyResult
from conformance.harness.text import LINE, json_text, visible
from conformance.judging.coverage import expected_areas
from conformance.judging.serialisation import cell_from_data
from reference_rnn import described, fixed_point

from .source_location import SourcePlace

SCHEMA = 1
STATUS = {"conforms": 0, "fails": 1, "inconclusive": 2}
# What a verdict may depend on: always these, and of the others those that are installed.
ALWAYS = ("numpy", "hypothesis", "torch")
PACKAGES = (
    "onnx",
    "onnxruntime",
    "openvino",
    "keras",
    "jax",
    "flax",
    "equinox",
    "dm-haiku",
    "brainstate",
    "mlx",
    "pydynet",
    "paddlepaddle",
    "opacus",
    "brevitas",
    "tract",
    "opencv-python-headless",
    "opencv-python",
    "onnx2pytorch",
    "iree-base-compiler",
    "MNN",
    "ncnn",
    "ai-edge-litert",
    "executorch",
    "hls4ml",
    "thinc",
    "snntorch",
    "ncps",
    "pytorch-forecasting",
    "torchrl",
    "fla-core",
    "mambapy",
    "minGRU-pytorch",
    "mlstm_kernels",
    "rwkv",
    "s5-pytorch",
    "torchrecurrent",
    "transformers",
    "xlstm",
    "tinygrad",
)


Verdict = Literal["conforms", "fails", "inconclusive"]


@dataclass
class Report:
    """What is known about a target after a run: printed as the terminal shows it; keys of its JSON are its fields.

    verdict: conforms, fails or inconclusive; status has it as an exit status.  reasons: why it does not conform
    capabilities: what the target claims.  profile, seed, budget (seconds): what it was asked
    results: a PropertyResult for each property.  coverage: how many cases exercised each area
    cells: the verdict on each cell.  notes: what else was seen, a sentence each
    diagnosis: the mistakes that give the target's numbers.  known: their ids.  explained: ids of properties that
    fail by them
    error_map: where one output is wrong, number by number.  interrupted: by what, if it was
    left: the properties that were not reached before the trial ended
    alone: those about history whose failure says nothing about it: one call is wrong in a fresh process too
    baseline, mended: what is known from before, and the properties that failed there and hold now
    asked: the properties or chapters that were asked for, empty for all
    configuration: the file that options came from.  place: where the target's text begins, if it is the user's
    cut: whether a limit of time left something to be judged or diagnosed
    sha256: of the target's file.  remarks: what happened around the trial, for whoever started it
    verbose: whether all of it is printed
    """

    printed: ClassVar[Callable[[Report], str]] = repr  # what print shows: report/terminal.py sets it, which reads this

    target: str
    verdict: Verdict
    capabilities: dict[str, Any]
    profile: str
    seed: int
    results: list[PropertyResult]
    coverage: dict[str, int]
    cells: dict[str, str] = field(default_factory=dict)
    diagnosis: list[Finding] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    explained: list[str] = field(default_factory=list)
    error_map: dict[str, Any] | None = None
    budget: float | None = None
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    interrupted: str = ""
    left: list[str] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)
    configuration: str | None = None
    baseline: str | None = None
    mended: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    place: SourcePlace | None = None
    cut: bool = False
    sha256: str = ""
    remarks: list[str] = field(default_factory=list)
    verbose: bool = False

    @classmethod
    def of(
        cls, target: str, capabilities: Capabilities, results: list[PropertyResult], profile: str, seed: int,
        required: tuple[str, ...] = (), diagnosis: Diagnosis | None = None, missed: Sequence[str] = (),
        strict: bool = False, budget: float | None = None, interruption: str = "", notes: Sequence[str] = (),
        narrower: Sequence[str] = (),
    ) -> Report:  # fmt: skip
        """The verdict that follows from results.

        required: capabilities that must be claimed.  missed: failures that were expected and did not happen, which
        count as failures if strict.  budget: seconds for random cases.  interruption: that
        not everything was judged, in words.  narrower: what a baseline claims and the target does not
        """
        coverage: Counter[str] = Counter()
        void: Counter[str] = Counter()
        deaths: Counter[str] = Counter()
        noted: dict[str, None] = {}
        for result in results:
            coverage.update(result.coverage)
            void.update(result.void)
            deaths.update(result.deaths)
            noted.update(dict.fromkeys(result.notes))
        unclaimed = [f"{name} is required, but not claimed" for name in required if not capabilities.claims(name)]
        unverified = hidden_by_sizes(capabilities, results, coverage, void)
        doubts = [interruption] if interruption else doubtful(capabilities, results, coverage, unverified)
        failed = any(result.status == "failed" for result in results)
        wrong = unclaimed + list(narrower) + (list(missed) if strict else [])
        said = [
            *capabilities.untested,
            *said_of_sizes(capabilities, coverage, unverified),
            *notes,
            *noted,
            *(f"ended {'once' if n == 1 else f'{n} times'}: it {how}" for how, n in deaths.items()),
            *([] if strict else missed),
        ]
        verdict: Verdict = "fails" if failed or wrong else "inconclusive" if doubts else "conforms"
        found = diagnosis or Diagnosis([], [])
        return cls(
            target, verdict, capabilities.as_dict(), profile, seed, results, dict(coverage),
            cells=by_cell(capabilities, results, found.wrong_cells), diagnosis=found.findings, known=found.known,
            explained=found.explained, error_map=found.error_map, budget=budget, reasons=wrong + doubts,
            notes=list(dict.fromkeys(said)),
        )  # fmt: skip

    @property
    def name(self) -> str:
        """The target as it was named, whatever stands in that, for people to read."""
        return visible(self.target, LINE)

    @property
    def arithmetic(self) -> str:
        """What rounding was allowed: the profile that is claimed, and its figures."""
        profile = self.capabilities["arithmetic"]
        fixed = fixed_point(profile, **self.capabilities["fixed"])
        return f"{profile}: {described(profile, self.capabilities['order'], fixed)}"

    @property
    def status(self) -> int:
        """The exit status: 0 conforms, 1 does not, 2 could not tell."""
        return STATUS[self.verdict]

    def __str__(self) -> str:
        return type(self).printed(self)

    def as_dict(self) -> dict[str, Any]:
        """The report in the order of its JSON."""
        first = {"schema": SCHEMA, "kit_version": kit_version()}
        return first | {
            "target": self.target, "verdict": self.verdict, "reasons": self.reasons,
            "capabilities": self.capabilities, "profile": self.profile, "seed": self.seed, "budget": self.budget,
            "configuration": self.configuration, "asked": self.asked, "baseline": self.baseline, "mended": self.mended,
            "results": [asdict(result) for result in self.results], "cells": self.cells,
            "diagnosis": [asdict(finding) for finding in self.diagnosis], "known": self.known,
            "explained": self.explained,
            "error_map": self.error_map,
            "arithmetic": self.arithmetic, "coverage": self.coverage, "notes": self.notes,
            "sha256": self.sha256, "remarks": self.remarks, "environment": environment(),
        }  # fmt: skip

    def to_json(self) -> str:
        """The report as JSON."""
        return json_text(self.as_dict(), indent=2)


def hidden_by_sizes(
    capabilities: Capabilities, results: list[PropertyResult], coverage: Counter[str], void: Counter[str]
) -> list[str]:
    """The areas and arrays that were exercised at the sizes that the target has, but by cases that verify nothing.

    At free sizes other cases are looked for until something of each is verified, so it is the sizes that hide them.
    """
    if not capabilities.sizes:
        return []
    areas = [area for area in expected_areas(capabilities) if void[area] and not coverage[area]]
    return areas + never_verified(results)


def said_of_sizes(capabilities: Capabilities, coverage: Counter[str], unverified: Collection[str]) -> list[str]:
    """What could not be verified at these sizes, in a sentence."""
    if not unverified:
        return []
    sizes = "; ".join(f"{name} {', '.join(map(str, sizes))}" for name, sizes in capabilities.sizes.items())
    return [
        f"not verified at these sizes ({sizes}), where rounding alone explains any numbers: {', '.join(unverified)}; "
        f"{coverage['void']} cases were void"
    ]


# The properties that count what their cases exercise: one for layers, one for recurrences.
COUNTING = ("equivalence.steps", "state.repeatable")


def doubtful(
    capabilities: Capabilities, results: list[PropertyResult], coverage: Counter[str], unverified: Collection[str] = ()
) -> list[str]:
    """Why a run without failures proves too little; what the target's sizes leave unverified is no doubt."""
    same: dict[str, list[str]] = {}
    for result in results:
        if result.status == "inconclusive":
            same.setdefault(result.message, []).append(result.id)
    doubts = [f"{', '.join(ids)}: {message}" for message, ids in same.items()]
    if not any(result.examples for result in results):
        doubts.append("nothing was exercised")
    if any(result.id in COUNTING and result.status == "passed" for result in results):
        missing = [area for area in expected_areas(capabilities) if not coverage[area] and area not in unverified]
        doubts += [f"no case exercised {area!r}" for area in missing]
    doubts += [f"no case verifies the gradient of {name}" for name in unmet_gradients(capabilities, results)]
    void = [array for array in never_verified(results) if array not in unverified]
    return doubts + [f"no case verifies a number of {array}: rounding alone explains any there" for array in void]


def unmet_gradients(capabilities: Capabilities, results: list[PropertyResult]) -> list[str]:
    """The gradients that are claimed by name and that no case has judged, where gradients were judged at all."""
    judged = [result for result in results if result.id == "gradients.back_propagation" and result.status == "passed"]
    if not judged or isinstance(capabilities.gradients, bool):
        return []
    met = [array for result in results for array in result.verified]
    return [name for name in capabilities.gradients
            if not any(array.startswith(f"the gradient of {name} of ") for array in met)]  # fmt: skip


def never_verified(results: list[PropertyResult]) -> list[str]:
    """The results and gradients of properties that hold which were met in balls alone that verify nothing."""
    held = (result for result in results if result.status == "passed")
    return [array for result in held for array, cases in result.verified.items() if not cases]


def by_cell(capabilities: Capabilities, results: Sequence[PropertyResult], wrong: Collection[str]) -> dict[str, str]:
    """Each claimed cell: failed, expected_failure, or passed where no failure of it was seen.

    wrong: cells that gave wrong answers to the probes of a diagnosis
    """
    status = dict.fromkeys(map(str, capabilities.cells), "passed")
    for kind in ("expected_failure", "failed"):
        shown = [str(cell_from_data(r.case["config"]["cell"])) for r in results if r.status == kind and r.case]
        status |= dict.fromkeys(shown, kind)
    return status | dict.fromkeys(wrong, "failed")


def environment() -> dict[str, str | None]:
    """The versions of what a verdict may depend on."""
    versions = {name: version(name) for name in (*ALWAYS, *PACKAGES)}
    return {k: v for k, v in versions.items() if v or k in ALWAYS} | {"python": platform.python_version()}


def kit_version() -> str:
    """The version of this kit, which may be used without having been installed."""
    return version("rnn-conformance") or "unknown"


def version(package: str) -> str | None:
    """The installed version of a package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
