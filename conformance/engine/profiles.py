"""How much is run: covering cases always, random ones by profile."""

from __future__ import annotations

# Random cases for each property, after the covering set.
PROFILES = {"quick": 100, "standard": 500, "thorough": 5000}
