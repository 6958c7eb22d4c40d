"""Logs of raw frames: trades, quotes and books out of one file, the recorder's clock corrected and said."""

import gzip
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tradecore.domain.event import IMPORTED
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.trade_tick import Aggressor
from tradecore.errors import ImportDataError, ImportSettingsError
from tradecore.runtime.frame_log_layout import LEFT_NO_BOOK, LEFT_NO_TRADE, open_log_readers
from tradecore.storage.importing.import_data import import_data, plan_import
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.storage.market_data_storage import Series
from tradecore.storage.memory_storage import MemoryStorage

SENT_MS = 1_723_161_256_000
BTC = "BTCUSDT.BINANCE"


def trade(number: int, ms: int, *, kind: str = "MARKET", price: str = "61800.30") -> str:
    return (
        f'{{"stream":"btcusdt@trade","data":{{"e":"trade","E":{SENT_MS + ms},"T":{SENT_MS + ms},"s":"BTCUSDT",'
        f'"t":{number},"p":"{price}","q":"0.006","X":"{kind}","m":true}}}}'
    )


def quote(update: int, ms: int) -> str:
    return (
        f'{{"stream":"btcusdt@bookTicker","data":{{"e":"bookTicker","u":{update},"s":"BTCUSDT","b":"100.0","B":"2.5",'
        f'"a":"100.1","A":"1.5","T":{SENT_MS + ms},"E":{SENT_MS + ms}}}}}'
    )


def change(before: int, last: int, ms: int, bids: str = "[]", asks: str = "[]") -> str:
    return (
        f'{{"stream":"btcusdt@depth@0ms","data":{{"e":"depthUpdate","E":{SENT_MS + ms + 1},"T":{SENT_MS + ms},'
        f'"s":"BTCUSDT","U":{before + 3},"u":{last},"pu":{before},"b":{bids},"a":{asks}}}}}'
    )


def whole(last: int, ms: int) -> str:
    return (
        f'{{"lastUpdateId":{last},"E":{SENT_MS + ms + 1},"T":{SENT_MS + ms},'
        '"bids":[["100.0","1.0"],["99.5","2.0"],["99.0","3.0"]],"asks":[["100.5","4.0"],["101.0","5.0"]]}'
    )


def write_log(path: Path, *frames: tuple[int, str], delay_ms: int = 20) -> Path:
    """Each frame received so long after its milliseconds; negative as of a recorder whose clock is behind."""
    lines = [f"{(SENT_MS + ms + delay_ms) * 1_000_000} {frame}\n" for ms, frame in frames]
    path.write_text("".join(lines))
    return path


@pytest.fixture
async def storage() -> AsyncIterator[MemoryStorage]:
    store = MemoryStorage()
    await store.connect()
    yield store
    await store.disconnect()


async def read_all(storage: MemoryStorage, kind: str) -> list[Any]:
    return [event async for batch in storage.read(Series(kind, BTC)) for event in batch]


async def test_trades_quotes_and_books_come_out_of_one_log(storage: MemoryStorage, tmp_path: Path) -> None:
    log = write_log(
        tmp_path / "log.jsonl",
        (0, change(5, 9, 0)),
        (1, quote(10, 1)),
        (2, whole(12, 2)),
        (3, trade(7, 3)),
        (4, change(11, 15, 4, '[["100.0","0"],["98.0","9"]]', '[["100.25","6"]]')),
        (5, change(15, 16, 5, '[["100.1","1"]]')),
    )
    report = await import_data(storage, log, ImportSettings(depth_levels=2), open_files=open_log_readers)
    assert (report.files, report.rows, report.added, report.left_out) == (1, 6, 5, {LEFT_NO_BOOK: 1})
    (tick,) = await read_all(storage, "trade_tick")
    assert (tick.trade_id, tick.price, tick.size, tick.aggressor) == ("7", 61800.3, 0.006, Aggressor.SELLER)
    assert tick.ts_event == (SENT_MS + 3) * 1_000_000
    assert tick.ts_received == tick.ts_event + 20_000_000
    (best,) = await read_all(storage, "quote_tick")
    assert (best.bid_price, best.bid_size, best.ask_price, best.ask_size, best.sequence) == (100.0, 2.5, 100.1, 1.5, 10)
    assert best.flags == IMPORTED, "futures quotes carry the venue's time"
    first, second, third = await read_all(storage, "depth")
    assert (first.sequence, first.bids, first.asks) == (12, ((100.0, 1.0), (99.5, 2.0)), ((100.5, 4.0), (101.0, 5.0)))
    assert first.ts_event == (SENT_MS + 2) * 1_000_000
    # 100.0 is gone, 99.5 and 99.0 move up; 100.25 is the new best ask.
    assert (second.bids, second.asks) == (((99.5, 2.0), (99.0, 3.0)), ((100.25, 6.0), (100.5, 4.0)))
    assert third.bids == ((100.1, 1.0), (99.5, 2.0))


async def test_a_recorder_behind_the_venue_is_corrected_by_one_constant_and_the_report_says_so(
    storage: MemoryStorage, tmp_path: Path
) -> None:
    """1,270 ms behind, the slowest frame 30 ms later than the fastest: 0 and 30 ms after the correction."""
    log = tmp_path / "log.jsonl"
    lines = [
        f"{(SENT_MS + 0 - 1_270) * 1_000_000} {trade(1, 0)}",
        f"{(SENT_MS + 100 - 1_240) * 1_000_000} {trade(2, 100)}",
    ]
    log.write_text("\n".join(lines))
    report = await import_data(storage, log, open_files=open_log_readers)
    ticks = await read_all(storage, "trade_tick")
    assert [tick.ts_received - tick.ts_event for tick in ticks] == [0, 30_000_000]
    (note,) = report.notes
    assert "1.270 s before" in note
    assert "1270000000 ns were added" in note


async def test_a_slow_network_is_left_as_it_was(storage: MemoryStorage, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", (0, trade(1, 0)), delay_ms=80)
    report = await import_data(storage, log, open_files=open_log_readers)
    (tick,) = await read_all(storage, "trade_tick")
    assert tick.ts_received - tick.ts_event == 80_000_000
    assert "as recorded" in report.notes[0]


async def test_importing_again_adds_nothing(storage: MemoryStorage, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", (0, trade(1, 0)), (1, quote(2, 1)), (2, whole(3, 2)), (3, change(3, 4, 3)))
    first = await import_data(storage, log, open_files=open_log_readers)
    again = await import_data(storage, log, open_files=open_log_readers)
    assert (first.added, again.added, again.known) == (4, 0, 4)


async def test_after_a_gap_there_is_no_book_until_a_whole_one_comes(storage: MemoryStorage, tmp_path: Path) -> None:
    """Update 20 follows 19, which nobody has: changes 20 and 21 are left out, the whole book of 21 begins anew."""
    log = write_log(
        tmp_path / "log.jsonl",
        (0, whole(12, 0)), (1, change(12, 15, 1)), (2, change(19, 20, 2)), (3, change(20, 21, 3)), (4, whole(21, 4)),
        (5, change(21, 22, 5)),
    )  # fmt: skip
    report = await import_data(storage, log, open_files=open_log_readers)
    assert [event.sequence for event in await read_all(storage, "depth")] == [12, 15, 21, 22]
    assert report.left_out == {LEFT_NO_BOOK: 2}


async def test_a_trade_of_the_insurance_fund_is_left_out_and_counted(storage: MemoryStorage, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", (0, trade(1, 0)), (1, trade(2, 1, kind="NA", price="0")))
    report = await import_data(storage, log, open_files=open_log_readers)
    assert report.left_out == {LEFT_NO_TRADE: 1}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no frame at all", "line 2: expected a receive time"),
        ("12 {}", "line 2: neither a trade"),
        ("12 {", "line 2: DecodeError"),
        (f"12 {trade(3, 0, price='NaN')}", "line 2: ValidationError"),
        (f"12 {trade(3, 0, price='0')}", "line 2: p is 0"),
        (f"12 {trade(3, 0, price='-1')}", "line 2: ValidationError"),
    ],
)
async def test_a_line_that_cannot_be_read_is_named_and_nothing_is_stored(
    storage: MemoryStorage, tmp_path: Path, line: str, said: str
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(f"{SENT_MS * 1_000_000} {trade(1, 0)}\n{line}\n{SENT_MS * 1_000_001} {quote(2, 1)}\n")
    with pytest.raises(ImportDataError, match=said) as caught:
        await import_data(storage, log, open_files=open_log_readers)
    assert caught.value.total == 1, "said once, although the log is read once for each kind"
    assert await storage.list_series() == []


async def test_a_log_without_a_frame_says_what_it_expects(storage: MemoryStorage, tmp_path: Path) -> None:
    empty, other = tmp_path / "empty.jsonl", tmp_path / "other.jsonl"
    empty.write_text("")
    other.write_text('{"some": "json"}\n')
    for log, said in ((empty, "is empty"), (other, "expected a receive time")):
        with pytest.raises(ImportDataError, match=said):
            await import_data(storage, log, open_files=open_log_readers)
    with pytest.raises(ImportDataError, match="is no file"):
        await import_data(storage, tmp_path, ImportSettings(layout="binance-frames"), open_files=open_log_readers)


async def test_one_kind_and_another_name_may_be_asked_for(storage: MemoryStorage, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", (0, trade(1, 0)), (1, quote(2, 1)))
    settings = ImportSettings(kind="trade_tick", instrument="BTCUSDT-PERP.BINANCE")
    await import_data(storage, log, settings, open_files=open_log_readers)
    assert [str(info.series) for info in await storage.list_series()] == ["trade_tick BTCUSDT-PERP.BINANCE"]
    with pytest.raises(ImportDataError, match="no frames of kind depth"):
        await import_data(storage, log, ImportSettings(kind="depth"), open_files=open_log_readers)
    with pytest.raises(ImportSettingsError, match="depth_levels is 0"):
        await import_data(storage, log, ImportSettings(depth_levels=0), open_files=open_log_readers)


def test_a_plan_shows_what_would_be_stored(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", (0, trade(1, 0)), (1, quote(2, 1)))
    plan = plan_import(log, open_files=open_log_readers)
    assert plan.is_ready
    assert [file.series for file in plan.files] == [f"quote_tick {BTC}", f"trade_tick {BTC}"]
    assert [len(file.events) for file in plan.files] == [1, 1]


@pytest.mark.real_data
async def test_the_recorded_day_is_imported_whole_and_its_books_agree_with_its_quotes(
    storage: MemoryStorage, tmp_path: Path
) -> None:
    """93,954 lines; changes before the whole book (6) are left out. The best prices of a book at update u are those of
    the last bookTicker at or before u: two channels of the venue, folded here and sent there, must say the same.
    """
    if "TRADECORE_DATA" not in os.environ:
        pytest.skip("TRADECORE_DATA is not set: the recorded frames are not part of the repository")
    log = Path(os.environ["TRADECORE_DATA"]) / "frames/binance_usdm_btcusdt_20240808.jsonl.gz"
    report = await import_data(storage, log, open_files=open_log_readers)
    assert (report.rows, report.added, report.left_out) == (93_954, 93_948, {LEFT_NO_BOOK: 6})
    trades = await read_all(storage, "trade_tick")
    numbers = [int(tick.trade_id) for tick in trades]
    assert numbers == list(range(numbers[0], numbers[0] + 21_313)), "every trade id once and in order"
    delays = [tick.ts_received - tick.ts_event for tick in trades]
    assert min(delays) >= 0
    assert max(delays) < 2 * SECOND_NS
    quotes, books = await read_all(storage, "quote_tick"), await read_all(storage, "depth")
    assert len(quotes) == 66_089
    at = agree = 0
    for book in books:
        while at + 1 < len(quotes) and quotes[at + 1].sequence <= book.sequence:
            at += 1
        best = quotes[at]
        if best.sequence <= book.sequence:
            agree += (book.bids[0][0], book.asks[0][0]) == (best.bid_price, best.ask_price)
    assert agree == len(books), f"{agree} of {len(books)} agree"


async def test_a_gzipped_log_is_read_as_it_is(storage: MemoryStorage, tmp_path: Path) -> None:
    plain = write_log(tmp_path / "log.jsonl", (0, trade(1, 0)))
    packed = tmp_path / "log.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    report = await import_data(storage, packed, open_files=open_log_readers)
    assert report.added == 1
