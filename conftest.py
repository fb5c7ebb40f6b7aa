"""Fixtures for the kit's own tests come from pytest's own plugin for testing plugins."""

pytest_plugins = ["pytester"]
