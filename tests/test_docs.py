"""The documentation: every page is found from the navigation, and every command that it shows exists."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

from fakeforensics.cli import app
from fakeforensics.seeds import markdown

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
CODE = re.compile(r"^```.*?^```$|^(?: {4}.*\n?)+|`[^`\n]+`", re.DOTALL | re.MULTILINE)


def pages(entries):
    """The pages of a navigation, those of its groups included."""
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            for value in entry.values():
                yield from pages(value if isinstance(value, list) else [value])


def test_the_navigation_has_every_page_once():
    nav = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    assert sorted(pages(nav)) == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


def shown(program: str) -> list[tuple[str, str]]:
    """The page and the arguments of each use of a program in code."""
    use = re.compile(rf"(?:^ *(?:\$ )?|`|&& ){program} +([^\n`|>#&;)]*)", re.MULTILINE)
    found = []
    for page in PAGES:
        for code in CODE.findall(page.read_text().replace("\\\n", " ")):
            found += [(page.name, arguments) for arguments in use.findall(code)]
    return found


def options(command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}


def command_fault(arguments: str) -> str | None:
    """What is wrong with the arguments of `fakeforensics`, if anything."""
    command = typer.main.get_command(app)
    words = shlex.split(arguments.replace("'", " ").replace('"', " "))
    while words and hasattr(command, "commands"):
        if words[0].startswith("-"):
            break
        if words[0] not in command.commands:
            return f"there is no command {words[0]!r}"
        command = command.commands[words.pop(0)]
    unknown = {word.partition("=")[0] for word in words if word.startswith("--")} - options(command)
    return f"unknown: {', '.join(sorted(unknown))}" if unknown else None


def test_shown_commands_and_options_exist():
    uses = shown("fakeforensics")
    assert len(uses) > 30
    faults = {use: fault for use in uses if (fault := command_fault(use[1]))}
    assert not faults


def test_shown_targets_of_make_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    uses = shown("make")
    assert len(uses) > 10
    assert {target for _, arguments in uses for target in arguments.split()[:1]} <= targets


def test_shown_modules_exist():
    modules = {arguments.split()[0] for _, arguments in shown("python -m")}
    assert "stages.train" in modules
    for module in modules:
        path = module.replace(".", "/")
        if module.split(".")[0] in ("stages", "benchmarks", "fakeforensics"):
            files = (f"{path}.py", f"{path}/__main__.py")
            assert any((ROOT / folder / file).exists() for folder in ("", "src") for file in files), module


def test_tables_over_seeds_are_those_of_the_recorded_file():
    table = re.compile(r"<!-- (\S+/seeds\.json) -->\n\n((?:\|.*\n)+)")
    shown = [found for page in PAGES for found in table.findall(page.read_text())]
    assert shown
    for path, table in shown:
        assert table.strip() == markdown(json.loads((ROOT / path).read_text())), path


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ("predict photo.jpg --report case", None),
        ("predict photo.jpg --reprot case", "unknown: --reprot"),
        ("data check --deep", None),
        ("data chekc", "there is no command 'chekc'"),
    ],
)
def test_a_wrong_command_would_be_found(arguments, fault):
    assert command_fault(arguments) == fault
