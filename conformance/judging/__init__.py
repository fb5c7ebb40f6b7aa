"""Judging: properties on cases, and what follows from it."""

from conformance.own_packages import require_own

require_own("strategies", "reference_rnn")
