"""The documentation says what the program does: commands, options, links."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

import napari_densify.cli.main as _registers_every_command  # noqa: F401
from napari_densify.cli.app import app

program = typer.main.get_command(app)
ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "sample_data" / "README.md", *sorted(ROOT.glob("docs/*.md"))]
COMMAND_LINE = ROOT / "docs" / "command-line.md"
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*|-[a-z])\b")


def options_of(name: str) -> set[str]:
    """Options of a command, without --help."""
    parameters = program.commands[name].params
    return {option for p in parameters for option in p.opts if option.startswith("-")}


def examples(page: Path) -> list[str]:
    """Lines of a page's code blocks that call the program."""
    blocks = re.findall(r"```\w*\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if re.match(r"densify [a-z]+( |$)", line)]


EXAMPLES = sorted({line for page in PAGES for line in examples(page)})


def test_there_are_examples():
    assert len(EXAMPLES) > 15


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_names_a_command_and_its_options(line):
    _, name, *words = shlex.split(line)
    assert name in program.commands
    used = {word for word in words if OPTION.fullmatch(word)}
    assert used <= options_of(name)


@pytest.mark.parametrize("name", sorted(program.commands))
def test_the_reference_names_every_command_and_option(name):
    text = COMMAND_LINE.read_text("utf-8")
    sections = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    by_title = dict(zip(sections[1::2], sections[2::2], strict=True))
    section = next(body for title, body in by_title.items() if name in title.split(", "))
    mentioned = set(OPTION.findall(section))
    known = set().union(*(options_of(n) for n in program.commands))
    assert options_of(name) - {"-h", "--help"} <= mentioned
    assert mentioned <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
    for target in targets:
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target


def test_the_page_of_classical_methods_names_every_parameter():
    from napari_densify.classical import METHODS

    text = (ROOT / "docs" / "classical.md").read_text("utf-8")
    sections = dict(
        re.findall(r"^### [^\n]+: `(\w+)`\n(.*?)(?=^### |\Z)", text, re.MULTILINE | re.DOTALL)
    )
    assert list(sections) == list(METHODS)
    for name, method in METHODS.items():
        listed = re.findall(r"^\| `(\w+)` \|", sections[name], re.MULTILINE)
        assert listed == list(method.settings.model_fields)
        assert re.search(rf"^\| `{name}` \| {method.family} \|", text, re.MULTILINE)
