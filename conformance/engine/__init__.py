"""Judging: properties on cases, and what follows from it."""
