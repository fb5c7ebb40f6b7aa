"""Reports as SARIF 2.1.0, which code scanning reads: a rule for each property, a result for each mistake.

The rule of a result is the property that says most about the mistake; others that fail by it are related locations.

What was expected to fail is no result: those who read SARIF would raise an alert for it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from conformance.events import PropertyResult
from conformance.harness.text import visible_data, visible_lines
from conformance.trial.source_location import SourcePlace
from conformance.trial.verdict import Report, kit_version

from .report_set import ReportSet
from .wording import failure_lines, group_by_mistake, ids_of_mistakes

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def document(told: ReportSet) -> str:
    """The SARIF document of some reports: one run of one tool."""
    rules = {result.id: rule(result) for report in told.reports for result in report.results}
    order = list(rules)
    driver = {"name": "rnn-conformance", "version": kit_version(), "rules": list(rules.values())}
    results = [
        result(report, failure, same, order.index(failure.id))
        for report in told.reports
        for failure, *same in group_by_mistake(report)
    ]
    run = {"tool": {"driver": driver}, "invocations": [invocation(told)], "results": results}
    return json.dumps(visible_data({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, unlinked), indent=1)


def unlinked(text: str) -> str:
    """A text that is seen, and of which no viewer makes a link."""
    return visible_lines(text).replace("](", "] (")


def rule(result: PropertyResult) -> dict[str, Any]:
    """A property as a rule."""
    return {"id": result.id, "shortDescription": {"text": result.statement or result.id}}


def result(
    report: Report, failure: PropertyResult, same: Sequence[PropertyResult], rule_index: int
) -> dict[str, Any]:  # fmt: skip
    """A failure: what is wrong, the smallest case, the diagnosis, where the target's text begins, what fails as well.

    What stays the same from one run to the next is the target with the property, or with the mistakes that were named.
    """
    logical = {"fullyQualifiedName": report.name, "kind": "module"}
    location = {"logicalLocations": [logical]} | (physical(report.place) if report.place else {})
    fingerprints = {"targetAndProperty/v1": fingerprint(report.target, failure.id)}
    if failure.id in report.explained:
        fingerprints["mistake/v1"] = fingerprint(report.target, *sorted(ids_of_mistakes(report)))
    found = {
        "ruleId": failure.id,
        "ruleIndex": rule_index,
        "level": "error",
        "message": {"text": failure_lines(report, failure, same)},
        "locations": [location],
        "partialFingerprints": fingerprints,
    }
    if same:
        said = [{"message": {"text": f"{other.id}: {other.message}"}} for other in same]
        found["relatedLocations"] = [location | text for text in said]
    return found


def fingerprint(*parts: str) -> str:
    """A number that parts have in common with themselves alone."""
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()


def physical(place: SourcePlace) -> dict[str, Any]:
    """A file and a line; the file as seen from the root of its repository."""
    shown = place.from_root
    uri = ("file://" if os.path.isabs(shown) else "") + quote(os.fsencode(shown))
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": place.line}}}


def invocation(told: ReportSet) -> dict[str, Any]:
    """Whether everything could be judged, and why not."""
    said = [f"{report.name}: {reason}" for report in told.reports for reason in report.reasons]
    said += [f"{name} could not be judged: {reason}" for name, reason in told.missing]
    told_of = [{"level": "warning", "message": {"text": text}} for text in said]
    return {"executionSuccessful": told.verdict != "inconclusive", "toolExecutionNotifications": told_of}
