"""Order check: earlier rows are kept, and the row that goes back is named."""

from hypothesis import given
from hypothesis import strategies as st

from tradecore.feeds.order_check import check_order
from tradecore.testing.builders import make_trade_tick

NS = 1_000_000_000


def test_a_batch_in_order_comes_back_as_the_same_list() -> None:
    batch = [make_trade_tick(1), make_trade_tick(1), make_trade_tick(2)]
    good, error = check_order("trades", 1, None, batch)
    assert good is batch
    assert error is None


def test_the_rows_before_the_step_back_are_kept_and_the_row_is_named() -> None:
    """Row 101 is the first of the batch, so the third is row 103."""
    batch = [make_trade_tick(10 * NS), make_trade_tick(12 * NS), make_trade_tick(11 * NS), make_trade_tick(13 * NS)]
    good, error = check_order("trades", 101, 9 * NS, batch)
    assert good == batch[:2]
    assert error is not None
    assert (error.feed, error.row, error.previous_ns, error.met_ns) == ("trades", 103, 12 * NS, 11 * NS)
    text = str(error)
    assert "row 103" in text
    assert "1970-01-01T00:00:11Z comes after 1970-01-01T00:00:12Z" in text


def test_a_batch_that_begins_before_the_last_row_keeps_nothing() -> None:
    batch = [make_trade_tick(5)]
    good, error = check_order("trades", 8, 6, batch)
    assert good == []
    assert error is not None
    assert (error.row, error.previous_ns, error.met_ns) == (8, 6, 5)


def test_an_instant_split_over_two_batches_is_in_order() -> None:
    batch = [make_trade_tick(6)]
    assert check_order("trades", 8, 6, batch) == (batch, None)


@given(st.lists(st.integers(0, 20)), st.integers(1, 7))
def test_where_batches_are_cut_does_not_matter(times: list[int], size: int) -> None:
    """The kept rows and the named row are those of one long batch."""
    events = [make_trade_tick(t) for t in times]
    whole, whole_error = check_order("f", 1, None, list(events))
    kept: list[object] = []
    error = None
    last: int | None = None
    for start in range(0, len(events), size):
        good, error = check_order("f", start + 1, last, events[start : start + size])
        kept += good
        if error is not None:
            break
        last = good[-1].ts_event
    assert kept == whole
    assert (error and error.row) == (whole_error and whole_error.row)
