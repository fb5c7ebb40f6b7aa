"""The pages say what is so: their examples run in an empty folder, and the site is built without a warning.

How a block is marked, in comments that no reader sees, and what becomes of it:

    ```python title="my_rnn.py"        written to that file; any language
    ```python                          run
    ```console                         each line behind "$ " is run; what it prints must be what follows, but for ...
    ```diff title="my_rnn.py"          applied to that file, which must have the old lines once
    <!-- file: examples/node/rnn.js    a file of the repository, copied before the next block
    <!-- needs: node                   the next block is left out where there is no such command
    <!-- not run: REASON               it is never run
"""

import ast
import doctest
import html
import importlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, fields
from fnmatch import fnmatch
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from conformance import Capabilities
from conformance.chapters import catalogue
from conformance.cli import cli
from conformance.trial import options

HOME = Path(__file__).parent.parent
DOCS = HOME / "docs"
FINDINGS = DOCS / "findings.md"  # tests/test_findings.py replays what stands there, and in the reports
MADE = {FINDINGS, *(DOCS / "findings").rglob("*.md")}
PAGES = [HOME / "README.md", HOME / "CONTRIBUTING.md", *sorted(set(DOCS.rglob("*.md")) - MADE)]

sys.path.insert(0, str(DOCS))  # where its scripts find each other
links, pictures, reference = map(importlib.import_module, ("links", "pictures", "reference"))
RUN = ("python", "console", "diff")
WHOLE_CASE = 600  # seconds for one command, which nothing of this comes near to


@dataclass
class Block:
    """A block of code of a page, with the marks above it."""

    line: int
    language: str
    title: str
    text: str
    marks: dict[str, list[str]] = field(default_factory=dict)


def blocks(page):
    """The blocks of a page, in order."""
    found, marks = [], {}
    for token in MarkdownIt().parse(page.read_text()):
        if token.type == "html_block":
            for mark, value in re.findall(r"<!-- ([a-z ]+): (.*?) -->", token.content, re.DOTALL):
                marks.setdefault(mark, []).append(value)
        elif token.type in ("fence", "code_block"):
            language, _, rest = token.info.partition(" ")
            title = re.fullmatch(r'title="(.+)"', rest)
            found.append(Block(token.map[0] + 1, language, title[1] if title else "", token.content, marks))
            marks = {}
    return found


def told(page):
    """How a page is called in a test."""
    return str(page.relative_to(HOME))


class Folder:
    """An empty folder in which a page is followed."""

    def __init__(self, place):
        self.place = place
        scripts = Path(sys.executable).parent
        kept = {name: value for name, value in os.environ.items() if name not in ("GITHUB_ACTIONS", "PYTEST_ADDOPTS")}
        self.environment = kept | {
            "PATH": f"{scripts}{os.pathsep}{kept.get('PATH', '')}", "COLUMNS": "100", "PYTHONWARNINGS": "default",
        }  # fmt: skip

    def follow(self, block):
        """Does what a block says; raises AssertionError where it does not turn out so."""
        for file in block.marks.get("file", ()):
            shutil.copy(HOME / file, self.place)
        if block.language == "diff" and block.title:
            self.patch(block)
        elif block.title:
            self.file(block).write_text(block.text)
        elif block.language == "python":
            status, said = self.run([sys.executable, "-c", block.text])
            demand(status == 0, said)
        elif block.language == "console":
            self.converse(block.text)

    def file(self, block):
        """The file that a block names, in a folder that is there."""
        file = self.place / block.title
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def patch(self, block):
        """Applies a diff: hunks stand apart by lines of @@."""
        file = self.file(block)
        text = file.read_text()
        for hunk in re.split(r"^@@.*\n", block.text, flags=re.MULTILINE):
            old, new = ("".join(row[1:] for row in hunk.splitlines(True) if row[0] != sign) for sign in "+-")
            demand(text.count(old) == 1, f"{block.title} has these lines {text.count(old)} times:\n{old}")
            text = text.replace(old, new)
        file.write_text(text)

    def converse(self, text):
        """Runs what stands behind each "$ "; where a page shows no answer, the status must be 0."""
        for part in parts(text):
            command, want = said(part)
            status, got = self.run(["bash", "-c", command])
            if want.strip():
                demand(alike(want, got), f"$ {command}\nthe page says:\n{want}\nit says:\n{got}")
            else:
                demand(status == 0, f"$ {command}\nstatus {status}\n{got}")

    def run(self, command):
        """The status of a command, and all that it says."""
        done = subprocess.run(
            command, cwd=self.place, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=WHOLE_CASE,
        )  # fmt: skip
        return done.returncode, re.sub(r"^still .*\n", "", done.stdout, flags=re.MULTILINE)  # a line a minute


def parts(text):
    """A console block, cut before each command."""
    return re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]


def said(part):
    """A command, its later lines included, and what a page says that it answers."""
    command, _, want = part.partition("\n")
    while command.endswith("\\"):
        line, _, want = want.partition("\n")
        command += "\n" + line
    return command, want


def demand(holds, message):
    """Raises AssertionError with this message alone."""
    if not holds:
        raise AssertionError(message)


def alike(want, got):
    """Whether what was said is what a page says, where ... stands for anything."""
    want, got = ("\n".join(line.rstrip() for line in text.rstrip().splitlines()) + "\n" for text in (want, got))
    return doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS)


@pytest.mark.parametrize("page", PAGES, ids=told)
def test_what_a_page_says_happens(page, tmp_path):
    folder = Folder(tmp_path)
    for block in blocks(page):
        missing = [tool for tool in block.marks.get("needs", ()) if shutil.which(tool) is None]
        if missing or "not run" in block.marks:
            continue
        try:
            folder.follow(block)
            failure = ""
        except AssertionError as error:
            failure = f"{told(page)}, line {block.line}: {error}"
        if failure:
            pytest.fail(failure, pytrace=False)


@pytest.mark.parametrize("page", PAGES, ids=told)
def test_every_block_is_of_a_kind(page):
    """One that is set in has no language, and would be neither run nor coloured."""
    for block in blocks(page):
        assert block.language, f"{told(page)}, line {block.line}: which language is this?"
        assert all(reason.strip() for reason in block.marks.get("not run", ()))
        assert block.marks.keys() <= {"file", "needs", "not run"}, f"{told(page)}, line {block.line}: {block.marks}"


@pytest.mark.parametrize("page", PAGES, ids=told)
def test_every_answer_can_be_wrong(page):
    """One of dots alone would be right whatever was said."""
    for block in blocks(page):
        for command, want in map(said, parts(block.text) if block.language == "console" else ()):
            assert not want.strip() or want.replace("...", "").strip(), f"{told(page)}, line {block.line}: {command}"


def test_most_blocks_are_run():
    runnable = [block for page in PAGES for block in blocks(page) if block.language in RUN or block.title]
    left_out = [block for block in runnable if "not run" in block.marks]
    assert len(runnable) >= 40
    assert len(left_out) < len(runnable) / 4


# ---------------------------------------------------------------- the harness itself


def page_of(tmp_path, text):
    """A page with these lines."""
    page = tmp_path / "page.md"
    page.write_text(text)
    return page


@pytest.mark.parametrize(
    "text",
    [
        "```python\nassert 1 == 2\n```",
        "```console\n$ echo one\ntwo\n```",
        "```console\n$ exit 3\n```",
        '```python title="a.py"\none\n```\n```diff title="a.py"\n-two\n+three\n```',
    ],
)
def test_what_is_not_so_is_noticed(text, tmp_path):
    with pytest.raises(AssertionError):
        for block in blocks(page_of(tmp_path, text)):
            Folder(tmp_path).follow(block)


def test_a_page_is_followed(tmp_path):
    text = (
        '```python title="a.py"\nprint(1)\n```\n'
        '```diff title="a.py"\n-print(1)\n+print(2)\n```\n'
        "```console\n$ python a.py && echo 0.25 s\n2\n... s\n$ true\n```\n"
        "<!-- not run: it never ends -->\n```console\n$ sleep inf\n```\n"
    )
    *run, last = blocks(page_of(tmp_path, text))
    for block in run:
        Folder(tmp_path).follow(block)
    assert last.marks == {"not run": ["it never ends"]}


# ---------------------------------------------------------------- architecture


@cache
def layers():
    """The rows of the table of the inner packages, from the top: patterns of paths."""
    table = (DOCS / "architecture.md").read_text().partition("| in `conformance` |")[2].partition("\n\n")[0]
    return [re.findall(r"`([^`]+)`", line.split("|")[1]) for line in table.splitlines()[2:]]


def layer(parts):
    """The row of a module, given as the parts of its name below conformance."""
    names = {f"{parts[0]}/", f"{parts[0]}.py"}
    found = [i for i, row in enumerate(layers()) for pattern in row if any(fnmatch(name, pattern) for name in names)]
    assert len(found) == 1, (
        f"docs/architecture.md has {parts[0]} in {len(found)} rows of its table of layers, must be one"
    )
    return found[0]


def imported(file):
    """What a file imports of conformance: the parts of each name below it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1:] for name in names if name.startswith("conformance."))


def test_imports_go_down_the_table_of_layers():
    package = HOME / "conformance"
    up = [
        f"{file.relative_to(HOME)} imports {'.'.join(parts)}"
        for file in package.rglob("*.py")
        for parts in imported(file)
        if (package / parts[0]).with_suffix(".py").exists() or (package / parts[0]).is_dir()
        if file.name != "__init__.py" or file.parent != package
        if layer(parts) < layer(file.relative_to(package).with_suffix("").parts)
    ]
    assert up == []


# ---------------------------------------------------------------- links


EXAMPLE = "https://example.org/OWNER/rnn-conformance/blob/main/"


def test_links_become_absolute_and_code_does_not():
    text = "[a](docs/a.md#b), [c](https://c), [d](#d), `f[e](e)` and\n```python\nf[e](e)\n```"
    assert links.absolute(text, EXAMPLE) == text.replace("(docs/a.md#b)", f"({EXAMPLE}docs/a.md#b)")


def test_links_out_of_the_site_are_words_without_an_address():
    text = "[here](b.md), [up](../your.md#x), [the cells](../../examples/cells)"
    assert links.outward(text, "docs/reference", "docs/", "") == "[here](b.md), [up](../your.md#x), the cells"
    assert f"[the cells]({EXAMPLE}examples/cells)" in links.outward(text, "docs/reference", "docs/", EXAMPLE)


@pytest.mark.parametrize("page", [*PAGES, FINDINGS, HOME / "CHANGELOG.md", HOME / "SECURITY.md"], ids=told)
def test_every_relative_link_leads_somewhere(page):
    for match in links.LINK.finditer(page.read_text()):
        if match["target"]:
            assert (page.parent / match["target"].partition("#")[0]).exists(), match[0]


@pytest.mark.parametrize("address", ["", EXAMPLE])
def test_the_readme_of_the_package_has_links_that_work_elsewhere(address, tmp_path):
    pytest.importorskip("setuptools", "77", reason="the extra docs is not installed")
    for file in ("README.md", "LICENSE", "setup.py", "pyproject.toml", "docs/links.py"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(HOME / file, tmp_path / file)
    settings = (HOME / "pyproject.toml").read_text()
    assert settings.count('\naddress = ""\n') == 1
    (tmp_path / "pyproject.toml").write_text(settings.replace('\naddress = ""\n', f'\naddress = "{address}"\n'))
    build = "import setuptools.build_meta as b; print(b.prepare_metadata_for_build_wheel('.'))"
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path, check=True, capture_output=True, timeout=WHOLE_CASE)
    (metadata,) = tmp_path.glob("*.dist-info/METADATA")
    told = metadata.read_text()
    assert "Description-Content-Type: text/markdown" in told
    assert f"]({address}docs/first-verdict.md)" in told


# ---------------------------------------------------------------- the site


def test_the_site_is_whole(tmp_path):
    """Built once, since that takes a while: without a warning; then all that is demanded of its pages."""
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    site = built(tmp_path)
    it_loads_nothing_from_elsewhere(site)
    every_link_within_it_leads_somewhere(site)
    the_reference_has_all_that_the_code_has(site)


def built(place):
    """The folder of the site; warnings are errors."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-d", place / "trees"]
    command += [DOCS, place / "html"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=WHOLE_CASE)
    assert done.returncode == 0, done.stdout + done.stderr
    return place / "html"


class Page(HTMLParser):
    """What a page of the site loads, where it leads, and the places in it."""

    def __init__(self, file):
        super().__init__()
        self.loaded, self.led, self.places = [], [], set()
        self.feed(file.read_text())

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.places.add(given.get("id"))
        if tag == "a":
            self.led.append(given.get("href", ""))
        elif tag == "link" and given.get("rel") in ("stylesheet", "preload", "icon", "preconnect"):
            self.loaded.append(given["href"])
        elif tag in ("script", "img", "iframe"):
            self.loaded.append(given.get("src") or "")


def it_loads_nothing_from_elsewhere(site):
    """No page needs a network."""
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        assert [address for address in Page(page).loaded if re.match(r"(\w+:)?//", address)] == []
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", style.read_text()), style


def every_link_within_it_leads_somewhere(site):
    """Anchors too."""
    pages = {page: Page(page) for page in site.rglob("*.html")}
    for page, read in pages.items():
        for address in read.led:
            if not address or re.match(r"\w+:", address):
                continue
            file, _, place = address.partition("#")
            other = (page.parent / file).resolve() if file else page
            assert other.exists(), f"{page.name}: {address}"
            assert not place or other not in pages or place in pages[other].places, f"{page.name}: {address}"


def the_reference_has_all_that_the_code_has(site):
    """Every property, command, option and capability."""
    said = {page.stem: html.unescape(page.read_text()) for page in (site / "reference").glob("*.html")}
    assert [one.id for one in catalogue().values() if one.statement not in said["properties"]] == []
    assert [name for name in cli.list_commands(None) if f"rnn-conformance {name}" not in said["commands"]] == []
    assert [one.name for one in options.declared_options() if options.spelled(one) not in said["options"]] == []
    assert [one.name for one in fields(Capabilities) if one.name not in said["capabilities"]] == []


def test_a_property_without_markdown_is_told_as_it_is():
    assert "(L\\*D, N, H)" in reference.described(catalogue()["shapes.shapes"])
    assert reference.completed("a <!-- from the code: requirements --> b").startswith("a `bidirectional`, ")


def test_the_pictures_are_those_of_today():
    """But for the last digits, which depend on the order of sums."""
    for name, draw in pictures.PICTURES.items():
        then, now = (DOCS / "pictures" / f"{name}.svg").read_text(), draw()
        number = r"-?\d+(?:\.\d+)?"
        assert re.sub(number, "", then) == re.sub(number, "", now)
        found, drawn = (list(map(float, re.findall(number, text))) for text in (then, now))
        assert found == pytest.approx(drawn, abs=1.0)
