"""Files and functions: documented, of one subject, of a size that can be read (STYLE 2, 5, 8)."""

import ast
from pathlib import Path
from typing import Any

FILE_LINES_MAX = 450
FUNCTION_LINES_MAX = 70
# Longer where splitting would hide the subject (STYLE 8), with the reason; never beyond 700.
MAY_BE_LONGER = {
    "tradecore/errors.py": "one tree of errors, so that nobody writes one twice",
    "tradecore/domain/order.py": "one handle: what it is made of, what one may read of it, how reports move it",
    "tradecore/engine/trading_engine.py": "the one loop, its turn and its windows are read together",
    "tradecore/brokerage/simulated_broker.py": "one order's way through the broker is read together",
}
BANNED_MODULES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "tools", "shared"}
TEXT_SUFFIXES = {".py", ".md", ".toml", ".sh", ".json", ".txt", ".cfg", ".yml", ".yaml", ""}


def test_every_module_says_what_it_is(modules: list[Any]) -> None:
    missing = [module.path for module in modules if not (ast.get_docstring(module.tree) or "").strip()]
    assert not missing, f"no module docstring: {missing}"


def test_no_module_is_a_drawer_for_everything(modules: list[Any]) -> None:
    """A homeless function founds a file named for its subject."""
    names = {module.path: module.name.rpartition(".")[2] for module in modules}
    bad = [path for path, name in names.items() if name in BANNED_MODULES or name.endswith(("_utils", "_helpers"))]
    assert not bad, f"name these for their subject: {bad}"


def test_no_file_is_longer_than_can_be_read(modules: list[Any]) -> None:
    lengths = {module.path: module.text.count("\n") for module in modules}
    long = [
        f"{path}: {length} lines"
        for path, length in lengths.items()
        if length > (700 if path in MAY_BE_LONGER else FILE_LINES_MAX)
    ]
    assert not long, "\n".join(long)


def test_no_function_is_longer_than_a_screen(modules: list[Any]) -> None:
    """Counted without decorators and docstring, which help rather than hinder."""
    long = []
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body = node.body[1:] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body
                lines = (node.end_lineno or 0) - body[0].lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long.append(f"{module.path}:{node.lineno}: {node.name}: {lines} lines")
    assert not long, "\n".join(long)


def test_no_path_of_one_machine_stands_in_the_repository(repository: Path) -> None:
    """What works on one machine only is found here rather than by a user."""
    homes = ("/" + "work/", "/" + "root/", "/" + "home/", "/tmp" + "/v/", "C:" + "\\Users")
    faults = []
    for folder in ("tradecore", "tests", "configs", "scripts", ".ci"):
        for file in sorted((repository / folder).rglob("*")):
            if not file.is_file() or file.suffix not in TEXT_SUFFIXES or "__pycache__" in file.parts:
                continue
            if {"runs", "data"} & set(file.relative_to(repository).parts[:2]):
                continue  # what a run left, not part of the repository
            for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
                faults += [f"{file.relative_to(repository)}:{number}: {home}" for home in homes if home in line]
    assert not faults, "\n".join(faults)
