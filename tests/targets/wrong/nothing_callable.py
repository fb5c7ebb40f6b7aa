"""Defines nothing to call."""

forward = "to be written"
