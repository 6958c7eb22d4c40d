"""Covered spans: which stretches of a series were loaded, so that a gap is not mistaken for a quiet market.

Receives: spans as they are noted, in any order.
Gives:    the same stretches joined where they touch.
Never:    says anything about the events inside.    Spec: 2.1; DESIGN 7.
"""

from __future__ import annotations

from collections.abc import Iterable

from tradecore.domain.bar_type import BarType
from tradecore.errors import StorageError
from tradecore.storage.market_data_storage import Series, Span


def join_spans(series: Series, spans: Iterable[Span]) -> list[Span]:
    """The spans in order of time, joined where they touch.

    Both ends are included, so 1..4 and 5..9 touch. Spans of bars of a step also touch when the step fits between them
    exactly once: the bar that ends at 10:05 is the next one after 10:00, nothing could have been between.
    """
    key = series.key
    reach = max(1, key.step_ns if isinstance(key, BarType) else 1)
    joined: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.start_ns, one.end_ns)):
        if joined and span.start_ns <= joined[-1].end_ns + reach:
            joined[-1] = Span(joined[-1].start_ns, max(joined[-1].end_ns, span.end_ns))
        else:
            joined.append(span)
    return joined


def check_span(series: Series, span: Span) -> None:
    """Raises: StorageError for a span that ends before it starts."""
    if span.end_ns < span.start_ns:
        raise StorageError(
            f"{series}: span {span.start_ns}..{span.end_ns} ends before it starts; expected start_ns <= end_ns"
        )
