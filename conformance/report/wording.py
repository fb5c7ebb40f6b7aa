"""What every face says of a report in the same words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.events import MEASURED, STAGE, Finding, PropertyResult
from conformance.trial.verdict import Report

VERDICTS = {"conforms": "conforms", "fails": "does not conform", "inconclusive": "could not be judged"}
LONGEST_CASE = 800
SPEAKERS = ("equivalence.steps", "gradients.back_propagation")  # what says most about the numbers
PLACES = 3  # where others made a mistake
SHAPE = "a shape was recognised, and looked through"
UNNAMED = "Arrays that a case does not name are zero."


@dataclass
class Unshown(Finding):
    """A mistake whose change is kept from whoever made it; its patch is empty."""


def headline(report: Report) -> str:
    """The verdict, and how much stands behind it."""
    return f"{report.name} {VERDICTS[report.verdict]} ({evidence_counts(report)})"


def evidence_counts(report: Report) -> str:
    """How much stands behind a verdict."""
    judged = [result for result in report.results if result.status in ("passed", "failed")]
    failed = sum(result.status == "failed" for result in judged)
    cases = sum(result.examples for result in judged)
    properties = counting(len(judged), "property", "properties")
    held = f"{failed} of {properties} failed" if failed else f"{properties} held"
    expected = sum(result.status == "expected_failure" for result in report.results)
    held += f", {expected} failed as expected" if expected else ""
    counts = counting(cases, "case", "cases")
    if report.budget is not None:
        counts += f", {sum(result.random for result in judged):,} of them random within {report.budget:g} s"
    return f"{held}, {counts}, {report.profile}, seed {report.seed}"


def counting(count: int, one: str, many: str) -> str:
    """A number of things, in words."""
    return f"{count:,} {one if count == 1 else many}"


def group_failures(report: Report) -> list[list[PropertyResult]]:
    """The failures, grouped by what they say; what says most about the numbers speaks for its group, which comes first.

    Of those that the named mistake explains, the first stands for all: see ``folded_properties``.
    """
    groups: dict[tuple[str, str | None], list[PropertyResult]] = {}
    left_out = folded_properties(report)
    for failure in sorted(report.results, key=lambda failure: failure.id in report.alone):
        if failure.status == "failed" and failure.id not in left_out:
            shown = failure.counterexample if failure.found is None else ""  # where the numbers are kept back
            on_it = [
                group for group in groups.values()
                if group[0].counterexample == failure.counterexample or failure.message.startswith(group[0].message)
            ]  # fmt: skip
            if failure.id in report.alone and failure.counterexample and on_it:  # it tells nothing of history
                on_it[0].append(failure)
            else:
                groups.setdefault((failure.message, shown), []).append(failure)
    spoken = [sorted(group, key=lambda failure: failure.id not in SPEAKERS) for group in groups.values()]
    return sorted(spoken, key=lambda group: group[0].id not in SPEAKERS)


def folded_properties(report: Report) -> list[str]:
    """The properties that fail only because of the named mistake, but for the one that says most about the numbers."""
    failed = [result.id for result in report.results if result.status == "failed" and result.id in report.explained]
    shown = next((id for id in SPEAKERS if id in failed), next(iter(failed), None))
    return [id for id in failed if id != shown]


def group_by_mistake(report: Report) -> list[list[PropertyResult]]:
    """The failures as ``group_failures`` has them; those that it leaves out stand behind the one that is shown."""
    left_out = folded_properties(report)
    also = [result for result in report.results if result.id in left_out]
    groups = group_failures(report)
    return [group + also * any(failure.id in report.explained for failure in group) for group in groups]


def ids_of_mistakes(report: Report) -> list[str]:
    """The ids of the mistakes that give a target's numbers; of those that are known, only where no other does."""
    named = [finding for finding in report.diagnosis if finding.exact and finding.fault_class != MEASURED]
    return [finding.fault for finding in named if not finding.expected] or [finding.fault for finding in named]


def fold_reason(report: Report) -> str:
    """What is said of them."""
    return "the mistakes named above explain" if len(ids_of_mistakes(report)) > 1 else "the same mistake explains"


def folded_line(report: Report) -> list[str]:
    """Which properties fail because of what is named, in a sentence; nothing where none does."""
    more = folded_properties(report)
    return [f"{fold_reason(report)} why these fail too: {', '.join(more)}"] if more else []


def case_lines(failure: PropertyResult) -> Iterator[str]:
    """The calls that show a failure, a line each; of a long one, its beginning."""
    yield from map(shorten, (failure.counterexample or "").splitlines())


def shorten(line: str) -> str:
    """A line of a case; of a long one, its beginning."""
    if len(line) <= LONGEST_CASE:
        return line
    return line[:LONGEST_CASE].rpartition(",")[0] + ", ... (the whole case is in its file)"


def behind(failure: PropertyResult, same: Sequence[PropertyResult] = ()) -> Iterator[str]:
    """What else is wrong on other cases, where calls have no answer on the first: with its case, each said once.

    same: properties that fail in the same words, what stands behind which is said with their ids
    """
    said = set()
    for result in (failure, *same):
        for other in result.others:
            text = f"on other cases: {other['message']}"
            if other["message"] not in said:
                yield text if result is failure else f"{result.id}, {text}"
                yield from map(shorten, (other["counterexample"] or "").splitlines())
            said.add(other["message"])


def of_cases(report: Report) -> list[str]:
    """What is to be known to read the cases of a report; nothing where none is shown."""
    shown = report.error_map or any(failure.counterexample for failure, *_ in group_failures(report))
    return [UNNAMED] if shown else []


def is_named(finding: Finding) -> bool:
    """Whether it is a mistake, and not only a place to look."""
    return finding.exact or finding.explains > 0


def label_of(finding: Finding) -> str:
    """Whether it is a mistake, or only a place to look, or known."""
    if finding.expected:
        return "known"
    return "diagnosis" if is_named(finding) else "a place to look"


def mistake_titles(report: Report) -> list[str]:
    """The titles of the mistakes, for what has no room for more; a guess says that it is one."""
    return [("" if is_named(finding) else "perhaps: ") + finding.title for finding in report.diagnosis]


def kind_of(*alike: Finding) -> str:
    """What findings of one kind are, in a sentence; what they are about stands in their titles."""
    kind, first = kind_without_share(alike[0]), alike[0]
    if not first.explains or not (first.exact or first.fault_class == MEASURED) or first.fault_class == STAGE:
        return kind
    right, of = sum(finding.explains for finding in alike), sum(finding.telling for finding in alike)
    if not isinstance(first, Unshown):
        return f"{kind} ({right} of {of} wrong answers)"
    if of == 1:
        return f"the one wrong answer is {kind}"
    return f"{'all' if right == of else f'{right} of'} {of} wrong answers are {kind}"


def kind_without_share(finding: Finding) -> str:
    """What a finding is, without how much of what is wrong it explains."""
    if isinstance(finding, Unshown):
        return kind_unshown(finding)
    if finding.fault_class == STAGE:
        return "the chain was run stage by stage, on the case of a failure"
    if finding.fault_class == MEASURED and finding.explains:
        return "some of your numbers are those of the reference with this change"
    if finding.fault_class == MEASURED and finding.patch:
        return "experiments on your code show this, and the same of the reference with this change"
    if finding.fault_class == MEASURED:
        return "no known mistake gives these numbers; experiments on your code show this"
    if finding.exact and finding.explains:
        return "your numbers are those of the reference with this change"
    if finding.exact:
        return SHAPE
    if finding.explains:
        return "the reference with this change fails in the same words"
    return "this known mistake is wrong in the same places, but does not give your numbers"


def kind_unshown(finding: Unshown) -> str:
    """The kind of a finding whose change is not shown, in words."""
    if finding.exact and not finding.explains:
        return "experiments on your code show this" if finding.fault_class == MEASURED else SHAPE
    if not finding.exact and finding.explains:
        return "a known mistake fails in the same words"
    if not finding.exact:
        return "a known mistake is wrong in the same places, but does not give your numbers"
    return "explained by this mistake"


def title_of(findings: Sequence[Finding], finding: Finding) -> str:
    """The title of one of some mistakes, and in brackets what is needed with it; why it was expected, if it was."""
    titles = {other.fault: other.title for other in findings}
    others = "; ".join(titles.get(id, id) for id in finding.together)
    expected = f"; expected: {finding.expected}" if finding.expected else ""
    return finding.title + (f" (together with: {others})" if others else "") + expected


def diagnosis_lines(report: Report) -> list[str]:
    """The diagnosis as plain lines, for what has neither colours nor headings."""
    lines = []
    for finding in report.diagnosis:
        lines += [f"{label_of(finding)}: {kind_of(finding)}", title_of(report.diagnosis, finding)]
        lines += ["  " + line for line in finding.patch.splitlines()]
        lines += [f"made by others: {url}" for url in finding.seen[:PLACES]]
    return [*lines, *report.known]


def error_map_text(drawn: Mapping[str, Any]) -> str:
    """What the table of an error map shows, in words."""
    said = (
        f"Row {drawn['row']} of the smallest telling case. Steps go down, units to the right; in each square stands the"
    )
    said += " target's number" + (", then the right one from the target's own state before." if drawn["right"] else ".")
    if drawn["first"]:
        said += " The first wrong number is at step {}, unit {}.".format(*drawn["first"])
    return said


def figure(value: float | None) -> str:
    """A number for people, of few digits."""
    return "no number" if value is None else f"{value:.4g}"


def failure_lines(report: Report, failure: PropertyResult, same: Sequence[PropertyResult] = ()) -> str:
    """One failure as plain lines: what is wrong, the smallest case, what else is wrong, and the diagnosis."""
    return "\n".join([failure.message, *case_lines(failure), *behind(failure, same), *diagnosis_lines(report)])


def chapters(report: Report) -> dict[str, list[PropertyResult]]:
    """The results that were judged, by chapter."""
    found: dict[str, list[PropertyResult]] = {}
    for result in report.results:
        if result.status in ("passed", "failed"):
            found.setdefault(result.id.partition(".")[0], []).append(result)
    return found


def short_ids(report: Report, status: str) -> list[str]:
    """The ids of a status; the name of the chapter alone where all its properties have it."""
    ids = [result.id for result in report.results if result.status == status]
    short: dict[str, None] = {}
    for id in ids:
        chapter = id.partition(".")[0]
        whole = all(result.id in ids for result in report.results if result.id.startswith(chapter + "."))
        short.setdefault(chapter if whole else id)
    return list(short)


def worst(reports: Sequence[Report], missing: Sequence[object] = ()) -> str:
    """The verdict on all of them: none may fail, and all must have been judged."""
    if any(report.verdict == "fails" for report in reports):
        return "fails"
    judged = not missing and reports and all(report.verdict == "conforms" for report in reports)
    return "conforms" if judged else "inconclusive"
