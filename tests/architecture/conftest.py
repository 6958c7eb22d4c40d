"""What the architecture tests share: every module of the package, parsed once."""

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


class Module(NamedTuple):
    """A module of the package: dotted name, path inside the repository, text, syntax tree."""

    name: str
    path: str
    text: str
    tree: ast.Module


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that holds pyproject.toml."""
    return REPOSITORY


@pytest.fixture(scope="session")
def modules() -> list[Module]:
    """All modules of the package, by path."""
    found = []
    for file in sorted((REPOSITORY / "tradecore").rglob("*.py")):
        path = file.relative_to(REPOSITORY)
        parts = path.with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = file.read_text(encoding="utf-8")
        found.append(Module(name, path.as_posix(), text, ast.parse(text, filename=str(path))))
    assert len(found) > 50, "the package was not found where it is expected"
    return found
