"""Targets: what they claim, how they are found, and the process that holds them."""
