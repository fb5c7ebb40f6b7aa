"""Targets for implementations that other people have written."""
