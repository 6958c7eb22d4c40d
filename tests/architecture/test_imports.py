"""Imports: no cycles, and a strategy author's import loads no store, venue or web library (DESIGN 2, 14).

The layers themselves are checked by import-linter, which scripts/test runs.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

HEAVY = ("pyarrow", "numpy", "pandas", "aiosqlite", "sqlite3", "rich", "click", "structlog", "websockets", "h11")
LEAN_LAYERS = ("domain", "execution", "analytics", "indicators", "feeds", "engine", "brokerage", "strategy")


def test_no_module_imports_itself_by_a_detour(modules: list[Any]) -> None:
    """Imports inside functions and for types only do not count: they cannot fail at start."""
    names = {module.name for module in modules}
    graph = {module.name: set(_imports(module.tree.body, names)) - {module.name} for module in modules}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("layer", ["", *LEAN_LAYERS])
def test_a_lean_import_loads_nothing_heavy(modules: list[Any], repository: Path, layer: str) -> None:
    """`import tradecore` is what every strategy file begins with."""
    prefix = f"tradecore.{layer}"
    wanted = [m.name for m in modules if f"{m.name}.".startswith(f"{prefix}.")] if layer else ["tradecore"]
    assert wanted
    code = f"import sys\nimport {', '.join(wanted)}\nprint(' '.join(sorted(set({HEAVY!r}) & set(sys.modules))))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == []


def _imports(body: list[ast.stmt], names: set[str]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in names:
                    yield inner
                elif node.module in names:
                    yield node.module
        elif isinstance(node, (ast.Try, ast.If)) and not _is_for_types(node):
            yield from _imports(node.body, names)


def _is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
