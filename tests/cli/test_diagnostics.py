"""Diagnostics: every error that tradecore knows ends with what to type."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradecore import errors
from tradecore.cli.diagnostics import describe_error, find_origin, format_user_traceback, show_error, suggest_next
from tradecore.domain.instrument import check_instrument_id
from tradecore.errors import (
    ConfigError,
    DataMissing,
    InvalidName,
    StrategyError,
    TradecoreError,
    UnknownSymbol,
    VenueUnreachable,
)

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, TradecoreError) and kind not in (ConfigError, StrategyError)
]


def make_raised(error: Exception) -> Exception:
    """The error with a traceback, as one that was raised here has."""
    try:
        raise error
    except Exception as raised:
        return raised


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_error_has_a_next_step(kind: type[TradecoreError]) -> None:
    assert suggest_next(kind.__new__(kind))


def test_a_mistake_that_only_the_run_could_find_names_no_file_to_check(capsys: pytest.CaptureFixture[str]) -> None:
    """`tradecore check broker 'sim'` would be no command."""
    error = ConfigError("broker 'sim'", ["IBM.NYSE: match_on is 'quote', but the run reads only bars"])
    assert suggest_next(error) == "correct the above, then run again"
    error.run_folder = Path("runs/x")
    show_error(error, as_json=False, debug=False)
    shown = capsys.readouterr().err
    assert "1 mistake; the run ended at its start" in shown
    assert "nothing was run" not in shown


def test_a_venue_s_error_points_at_the_run_folder_only_where_there_is_one() -> None:
    """`tradecore data record` has none, and no [venues.NAME] either."""
    error = VenueUnreachable("ws://127.0.0.1:9", 5, "refused")
    assert suggest_next(error) == "check the address and the network, then run again"
    error.run_folder = Path("runs/x")
    assert "handover.json in the run folder" in suggest_next(error)
    assert "write the symbol" in suggest_next(UnknownSymbol("BINANCE", "NOPE.BINANCE", "Invalid symbol."))


def test_an_error_in_on_error_is_shown_beside_the_first_one(capsys: pytest.CaptureFixture[str]) -> None:
    failure = StrategyError("mine", "on_bar", "strategy.py:7 in on_bar", ValueError("first"))
    failure.add_note("strategy 'mine' raised in on_error: KeyError: 'second'")
    show_error(failure, as_json=False, debug=False)
    assert "raised in on_error: KeyError: 'second'" in capsys.readouterr().err


def test_an_error_in_user_code_keeps_only_the_frames_of_the_user() -> None:
    with pytest.raises(InvalidName) as caught:
        check_instrument_id("IBM")
    text = format_user_traceback(caught.value)
    assert "test_diagnostics.py" in text
    assert "instrument.py" not in text
    assert "instrument.py" in format_user_traceback(caught.value, debug=True)


def test_causes_are_shortened_as_well() -> None:
    try:
        try:
            check_instrument_id("IBM")
        except InvalidName as error:
            raise RuntimeError("outer") from error
    except RuntimeError as error:
        text = format_user_traceback(error)
    assert "InvalidName" in text
    assert "The above exception was the direct cause" in text
    assert "instrument.py" not in text


def test_missing_data_behind_a_subscription_is_shown_as_missing_data() -> None:
    """Nothing is wrong with the strategy: its own lines raised nothing."""
    failure = StrategyError("mine", "subscription 'bars'", "somewhere", ValueError())
    failure.__cause__ = DataMissing("no bars")  # raised by no line of the user: it has no traceback outside tradecore
    origin = find_origin(failure)
    assert isinstance(origin, DataMissing)
    assert origin.__notes__ == ["asked for by strategy 'mine', subscription 'bars'"]
    assert describe_error(origin)["exit_code"] == 4


def test_an_order_that_the_user_mistyped_stays_an_error_of_the_strategy() -> None:
    cause = make_raised(errors.InvalidOrder("quantity is 0"))
    failure = StrategyError("mine", "on_bar", "strategy.py:7 in on_bar", cause)
    failure.__cause__ = cause
    assert find_origin(failure) is failure
    assert describe_error(failure)["error"]["where"] == "strategy.py:7 in on_bar"
