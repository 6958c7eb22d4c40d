"""Interruption: signals cancel the scope of a command, and everything is as it was before afterwards."""

from __future__ import annotations

import os
import signal

import anyio
import click
import pytest

from tradecore.cli.interruption import Interruption, run_interruptible
from tradecore.cli.stores import run_async


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_the_scope_and_is_remembered(number: signal.Signals, code: int) -> None:
    closed = []

    async def wait(interruption: Interruption) -> str:
        with interruption.scope:
            try:
                os.kill(os.getpid(), number)
                await anyio.sleep_forever()
            finally:
                closed.append("closed")
        return "partial"

    result, interruption = run_interruptible(wait)
    assert result == "partial"
    assert closed == ["closed"]
    assert (interruption.signal, interruption.exit_code) == (number, code)


def test_handlers_are_put_back_however_it_ends() -> None:
    async def fail(_interruption: Interruption) -> None:
        raise ValueError("mine")

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(ValueError, match="mine"):
        run_interruptible(fail)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_command_that_is_interrupted_closes_and_exits_with_the_signal(capsys: pytest.CaptureFixture[str]) -> None:
    closed = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await anyio.sleep_forever()
        finally:
            closed.append("closed")

    with pytest.raises(click.exceptions.Exit) as caught:
        run_async(work)
    assert caught.value.exit_code == 130
    assert closed == ["closed"]
    assert "run the command again to go on" in capsys.readouterr().err


def test_a_result_comes_back_without_a_signal() -> None:
    async def work() -> int:
        return 7

    assert run_async(work) == 7
