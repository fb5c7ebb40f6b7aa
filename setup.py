"""What pyproject.toml cannot say: the package's readme, with links that work elsewhere, and where its files are."""

import importlib.util
import tomllib
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
SPEC = importlib.util.spec_from_file_location("links", HERE / "docs" / "links.py")
links = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(links)

address = tomllib.loads((HERE / "pyproject.toml").read_text())["tool"]["links"]["address"]
setup(
    long_description=links.absolute((HERE / "README.md").read_text(), address),
    long_description_content_type="text/markdown",
    project_urls=links.addresses(address),
)
