"""Reports as JUnit XML: a suite for each chapter, a test case for each property that the target claims."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from conformance.events import PropertyResult
from conformance.harness.text import visible_lines
from conformance.trial.verdict import Report

from .report_set import ReportSet
from .wording import failure_lines


def document(told: ReportSet) -> str:
    """The JUnit XML document of some reports."""
    names = [report.name for report in told.reports] + [name for name, _ in told.missing]
    suites = ET.Element("testsuites", name=f"rnn-conformance {', '.join(names)}")
    for report in told.reports:
        add(suites, report)
    for name, reason in told.missing:
        suite = ET.SubElement(suites, "testsuite", name=name, tests="1", errors="1")
        element = ET.SubElement(suite, "testcase", classname=name, name="judged")
        ET.SubElement(element, "error", message=reason)
    for element in suites.iter():
        element.attrib.update({key: visible_lines(value) for key, value in element.attrib.items()})
        element.text = element.text and visible_lines(element.text)
    ET.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def add(suites: ET.Element, report: Report) -> None:
    """The suites of one report."""
    chapters: dict[str, list[PropertyResult]] = {}
    for result in report.results:
        chapters.setdefault(result.id.partition(".")[0], []).append(result)
    for chapter, all_of_it in chapters.items():
        results = [result for result in all_of_it if result.status != "not_claimed"]
        suite = ET.SubElement(suites, "testsuite", name=chapter, tests=str(len(results)))
        suite.set("failures", str(sum(result.status == "failed" for result in results)))
        suite.set("skipped", str(sum(result.status not in ("passed", "failed") for result in results)))
        add_not_claimed(suite, [result.id for result in all_of_it if result.status == "not_claimed"])
        for result in results:
            element = ET.SubElement(suite, "testcase", classname=f"{report.name}.{chapter}", name=result.id)
            element.set("time", f"{result.seconds:.3f}")
            if result.status == "failed":
                ET.SubElement(element, "failure", message=result.message).text = failure_lines(report, result)
            elif result.status != "passed":
                ET.SubElement(element, "skipped", message=f"{result.status}: {result.message}")


def add_not_claimed(suite: ET.Element, ids: Sequence[str]) -> None:
    """How many properties of a chapter a target does not claim, and which: they are no tests that were skipped."""
    if ids:
        properties = ET.SubElement(suite, "properties")
        ET.SubElement(properties, "property", name="not_claimed", value=str(len(ids)))
        ET.SubElement(properties, "property", name="not_claimed.ids", value=" ".join(ids))
