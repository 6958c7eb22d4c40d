"""Column checks: columns of numbers from outside, checked once, so that events made of them need no check.

Receives: lists, tuples, array.array, or numpy arrays (numpy itself is never imported).
Gives:    columns of int or float whose slices have `tolist()`; InvalidEvent naming column, row and value.
Never:    copies a numpy array of the right type: it must not be changed while the feed is in use.
          DESIGN 4 (what enters is checked once), 12 (decode in columns).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import isfinite
from typing import Any

from tradecore.domain.instant import MAX_NS, MIN_NS, format_ns
from tradecore.errors import FeedOutOfOrder, InvalidEvent, InvalidTime

_FLOAT_KINDS, _INT_KINDS = "fiu", "iu"


def to_times(feed: str, name: str, values: Any) -> Any:
    """A column of int nanoseconds. Raises: InvalidTime for anything else (floats, datetimes, numpy datetime64)."""
    if hasattr(values, "dtype"):
        values = values.__array__()  # of pandas, what it holds
        if values.dtype.kind not in _INT_KINDS or values.ndim != 1:
            raise InvalidTime(
                f"feed {feed!r}: column {name} is a numpy array of {values.dtype}, {values.ndim} dimensions; expected "
                "one dimension of int64 nanoseconds since 1970 UTC (of datetime64[ns]: .astype('int64'))"
            )
        return values.astype("int64", copy=not values.flags.aligned)
    try:
        return array("q", values)
    except (TypeError, OverflowError) as error:
        row, value = next((i, v) for i, v in enumerate(values, 1) if type(v) is not int or not MIN_NS <= v <= MAX_NS)
        raise InvalidTime(
            f"feed {feed!r}: column {name} has {value!r} in row {row}; expected int nanoseconds since 1970 UTC"
        ) from error


def to_floats(feed: str, name: str, values: Any, *, least: float | None = None) -> Any:
    """A column of finite float64, each at least `least`. Raises: InvalidEvent."""
    if hasattr(values, "dtype"):
        values = values.__array__()
        if values.dtype.kind not in _FLOAT_KINDS or values.ndim != 1:
            raise InvalidEvent(
                f"feed {feed!r}: column {name} is a numpy array of {values.dtype}, {values.ndim} dimensions; expected "
                "one dimension of float64"
            )
        column = values.astype("float64", copy=not values.flags.aligned)
        # The smallest of numbers among which one is NaN is NaN in numpy, so two numbers tell of all.
        low, high = find_range(column)
        if isfinite(low) and isfinite(high) and (least is None or low >= least):
            return column
        _raise_first_bad(feed, name, column.tolist(), least)
    try:
        floats = array("d", values)
    except TypeError as error:
        row, value = next((i, v) for i, v in enumerate(values, 1) if not isinstance(v, (int, float)))
        raise InvalidEvent(f"feed {feed!r}: column {name} has {value!r} in row {row}; expected a number") from error
    if not all(map(isfinite, floats)) or (least is not None and len(floats) and min(floats) < least):
        _raise_first_bad(feed, name, floats, least)
    return floats


def check_lengths(feed: str, columns: dict[str, Any]) -> int:
    """How many rows all columns have. Raises: InvalidEvent when they differ."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InvalidEvent(f"feed {feed!r}: columns differ in length: {listed}")
    return next(iter(lengths.values()))


def check_ascending(feed: str, times: Any) -> None:
    """Event times never fall. Raises: FeedOutOfOrder."""
    if hasattr(times, "dtype"):
        falls = (times[1:] < times[:-1]).nonzero()[0]
        if not len(falls):
            return
        row = int(falls[0]) + 1
    else:
        ordered = array("q", sorted(times))
        if ordered == times:
            return
        row = next(i for i in range(1, len(times)) if times[i] < times[i - 1])
    before, met = int(times[row - 1]), int(times[row])
    raise FeedOutOfOrder(feed, row + 1, before, met, shown=(format_ns(before), format_ns(met)))


def find_range(column: Any) -> tuple[Any, Any]:
    """Smallest and largest of a column, 0 and 0 of an empty one."""
    if not len(column):
        return 0, 0
    if hasattr(column, "dtype"):
        return column.min(), column.max()
    return min(column), max(column)


def check_not_below(feed: str, upper: str, high: Any, lower: str, low: Any) -> None:
    """No value of `high` lies below that of `low` in its row. Raises: InvalidEvent naming the first row."""
    row = first_below(high, low)
    if row is not None:
        raise InvalidEvent(
            f"feed {feed!r}: row {row + 1} has {upper} {float(high[row])!r} below {lower} {float(low[row])!r}"
        )


def first_below(high: Any, low: Any) -> int | None:
    """Index of the first row in which high < low, None when there is none."""
    if hasattr(high, "dtype") and hasattr(low, "dtype"):
        rows = (high < low).nonzero()[0]
        return int(rows[0]) if len(rows) else None
    return next((i for i, (a, b) in enumerate(zip(high, low, strict=True)) if a < b), None)


def _raise_first_bad(feed: str, name: str, values: Sequence[float], least: float | None) -> None:
    for row, value in enumerate(values, 1):
        if not isfinite(value):
            raise InvalidEvent(f"feed {feed!r}: column {name} has {value!r} in row {row}; expected a finite float")
        if least is not None and value < least:
            raise InvalidEvent(f"feed {feed!r}: column {name} has {value!r} in row {row}; expected at least {least:g}")
