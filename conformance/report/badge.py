"""A badge, as shields' endpoint reads it: https://shields.io/badges/endpoint-badge"""

from __future__ import annotations

import json

from .report_set import ReportSet
from .wording import VERDICTS

COLOURS = {"conforms": "brightgreen", "fails": "red", "inconclusive": "lightgrey"}
LABEL = "rnn-conformance"


def document(told: ReportSet) -> str:
    """The badge of all that was judged."""
    text, colour = VERDICTS[told.verdict], COLOURS[told.verdict]
    count = len(told.entries)
    if count > 1:
        text = f"{sum(report.verdict == 'conforms' for report in told.reports)} of {count} conform"
    known = sum(result.status == "expected_failure" for report in told.reports for result in report.results)
    if known and told.verdict == "conforms":
        text, colour = f"{text}, {known} known failure{'s' * (known > 1)}", "green"
    return json.dumps({"schemaVersion": 1, "label": LABEL, "message": text, "color": colour})
