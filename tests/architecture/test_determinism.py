"""What would make two runs differ: wall clocks, unowned tasks, sums of floats, unseeded randomness (DESIGN 4, 6)."""

import ast
from collections.abc import Iterator
from typing import Any

WALL_CLOCK = {
    "time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime", "datetime.now", "datetime.utcnow",
    "datetime.today", "date.today", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today",
}  # fmt: skip
MAY_READ_A_CLOCK = ("tradecore/engine/timeline.py", "tradecore/venues/")
UNOWNED_TASKS = {"asyncio.create_task", "asyncio.ensure_future", "asyncio.gather"}
# Sums that were looked at and add ints. A new one joins them, or is written with math.fsum.
INTEGER_SUMS = {
    "sum((bisect_left(gap, width) for gap in gaps))",
    "sum(report.left_out.values())",
    "sum(FLAG_NAMES)",
    "sum((1 << bit for bit in _IRREGULAR_BITS))",
    "sum((plan.added for plan in plans))",
    "sum(lasted[at::2])",
}
CHANCE = {"random", "secrets", "uuid"}
# Seeded generators of their own: of synthetic data, and of what libraries draw while a test runs on virtual time.
MAY_DRAW = (
    "tradecore/storage/synthetic",
    "tradecore/testing/seam_schedule.py",
    "tradecore/testing/virtual_process.py",
)


def test_only_the_timeline_and_the_venues_read_the_wall_clock(modules: list[Any]) -> None:
    faults = [
        f"{module.path}:{line}: {name}"
        for module in modules
        if not module.path.startswith(MAY_READ_A_CLOCK)
        for name, line in _calls(module.tree)
        if name in WALL_CLOCK
    ]
    assert not faults, "\n".join(faults)


def test_every_task_has_an_owner(modules: list[Any]) -> None:
    """Task groups only: a task without an owner outlives its run, and nobody hears its errors."""
    faults = [
        f"{module.path}:{line}: {name}"
        for module in modules
        for name, line in _calls(module.tree)
        if name in UNOWNED_TASKS or name.endswith((".create_task", ".ensure_future"))
    ]
    assert not faults, "\n".join(faults)


def test_floats_are_never_added_by_the_built_in_sum(modules: list[Any]) -> None:
    """Its rounding changed in Python 3.12. Counting is fine, and so is a sum that starts with a Decimal."""
    faults = [
        f"{module.path}:{node.lineno}: {ast.unparse(node)}"
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "sum" and not _is_exact(node)
    ]
    assert not faults, "use math.fsum or a running sum, or note that it adds ints in INTEGER_SUMS:\n" + "\n".join(
        faults
    )


def test_chance_comes_from_keyed_draws_alone(modules: list[Any]) -> None:
    """Some few have seeded generators of their own; everything else draws by key (domain/delay_law.py)."""
    faults = [
        f"{module.path}: {name}"
        for module in modules
        if not module.path.startswith(MAY_DRAW)
        for node in ast.walk(module.tree)
        for name in _imported(node)
        if name in CHANCE
    ]
    assert not faults, "\n".join(faults)


def _is_exact(call: ast.Call) -> bool:
    if len(call.args) > 1 or call.keywords or ast.unparse(call) in INTEGER_SUMS:
        return True  # a start value is a Decimal(0) or a list
    values = call.args[0]
    element = values.elt if isinstance(values, (ast.GeneratorExp, ast.ListComp)) else values
    if isinstance(element, ast.Constant):
        return isinstance(element.value, int)
    text = ast.unparse(element)
    # Counts: of comparisons, of lengths, of what is named as a count.
    return isinstance(element, (ast.Compare, ast.BoolOp)) or "len" in text or "count" in text or "rows" in text


def _calls(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []
