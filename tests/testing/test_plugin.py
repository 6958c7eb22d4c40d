"""The marker `virtual_time`: async tests on the virtual loop, beside those of another async plugin."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradecore.domain.instant import parse_ns
from tradecore.errors import EngineStateError
from tradecore.testing.virtual_loop import VirtualLoop
from tradecore.testing.virtual_run import running_clock, running_network, running_virtual_loop


@pytest.mark.virtual_time
async def test_a_marked_test_runs_on_a_virtual_loop() -> None:
    assert isinstance(asyncio.get_running_loop(), VirtualLoop)
    await asyncio.sleep(86_400)
    assert running_clock().monotonic_ns() == 86_400_000_000_000


async def test_an_unmarked_test_stays_on_the_loop_of_the_other_plugin() -> None:
    assert not isinstance(asyncio.get_running_loop(), VirtualLoop)
    with pytest.raises(EngineStateError, match="no virtual loop is running"):
        running_network()


@pytest.mark.virtual_time(seed=41, start=parse_ns("2030-06-01T12:00:00Z"))
@pytest.mark.parametrize("pause_s", [1, 3])
async def test_the_marker_s_words_are_those_of_run_virtual(pause_s: int, virtual_seed: int) -> None:
    """Fixtures and parameters reach the test as usual."""
    assert running_virtual_loop().seed == virtual_seed
    await asyncio.sleep(pause_s)
    assert running_clock().wall_ns() == parse_ns(f"2030-06-01T12:00:0{pause_s}Z")


@pytest.mark.virtual_time
@given(pause_s=st.integers(0, 100_000))
@settings(max_examples=20, deadline=None)
async def test_each_example_of_hypothesis_is_a_run_of_its_own(pause_s: int) -> None:
    assert running_clock().monotonic_ns() == 0
    await asyncio.sleep(pause_s)
    assert running_clock().monotonic_ns() == pause_s * 1_000_000_000


@pytest.mark.virtual_time(seed=5)
class TestOfAMarkedClass:
    """Marks of a class count for its tests."""

    def setup_method(self) -> None:
        self.pauses = [2.0, 3.0]

    async def test_a_method_has_its_own_instance(self) -> None:
        for pause_s in self.pauses:
            await asyncio.sleep(pause_s)
        assert asyncio.get_running_loop().time() == 5.0
