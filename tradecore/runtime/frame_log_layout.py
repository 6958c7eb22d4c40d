"""Layout "binance-frames": a log of raw frames of Binance USD-M futures, line by line as they were received.

Receives: a file of lines "receive time in ns, space, frame", plain, gzipped or zipped.
Gives:    readers for the import: one for the trades, one for the quotes, one for the books of each symbol.
Never:    changes an event's own time. Receive times are shifted by one constant where the recorder's clock was behind
          the venue's, and the report says by how much.    EXECUTION 11; DESIGN 4.

It stands here, above storage and venues, because it knows both: the frames' codec is a venue's, the readers are those
of storage's import. The shift is the smallest that lets no frame be received before the venue sent it: the fastest
frame then took no time at all, and every other took that much longer.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from tradecore.domain.event import IMPORTED
from tradecore.domain.instant import SECOND_NS
from tradecore.domain.instrument import Instrument, check_instrument_id
from tradecore.errors import FeedDataError, ImportDataError, InvalidEvent, InvalidName
from tradecore.storage.importing.file_layout import open_readers
from tradecore.storage.importing.import_report import ColumnUse
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.storage.importing.read_tally import FileReader, NumberedEvent, ReadTally
from tradecore.storage.importing.text_lines import TextLines
from tradecore.storage.market_data_storage import MarketEvent
from tradecore.venues.binance_book import BinanceBook
from tradecore.venues.binance_futures_codec import (
    KINDS,
    WHOLE,
    FrameHead,
    decode_change,
    decode_quote,
    decode_trade,
    decode_whole,
    read_head,
    split_line,
)

LAYOUT: Final = "binance-frames"
SAMPLE_ROWS: Final = 5
SAMPLE_CHARACTERS: Final = 100

LEFT_NO_BOOK: Final = "change of a book before a whole one came, or after a gap in its updates"
LEFT_NO_TRADE: Final = "trade that was not made in the book"

_SUFFIXES: Final = (".jsonl", ".jsonl.gz", ".jsonl.zip")

_Decode = Callable[[FrameHead, str, int], "MarketEvent | str"]
"""The event, or why the frame gives none."""


class LogSurvey(msgspec.Struct):
    """What a log holds. series: (kind of event, symbol). delay_min_ns: smallest receive time minus time of sending."""

    series: list[tuple[str, str]]
    delay_min_ns: int
    sample: tuple[tuple[str, ...], ...]


def is_frame_log_name(path: Path) -> bool:
    """True for a file of JSON lines."""
    return path.name.lower().endswith(_SUFFIXES)


def open_log_readers(path: Path, settings: ImportSettings, instruments: Mapping[str, Instrument]) -> list[FileReader]:
    """As file_layout.open_readers, and for logs of frames as well. Raises: ImportDataError."""
    if settings.layout == LAYOUT or (settings.layout is None and path.is_file() and is_frame_log_name(path)):
        if not path.is_file():
            raise ImportDataError(str(path), ["is no file; logs of frames are imported one by one"])
        return _open_log(path, settings)
    return open_readers(path, settings, instruments)


def _open_log(path: Path, settings: ImportSettings) -> list[FileReader]:
    survey = survey_log(path)
    symbols = sorted({symbol for _, symbol in survey.series})
    if settings.instrument is not None and len(symbols) > 1:
        raise ImportDataError(
            str(path), [f"holds several symbols ({', '.join(symbols)}); leave instrument out (--instrument)"]
        )
    wanted = [(kind, symbol) for kind, symbol in survey.series if settings.kind in (None, kind)]
    if not wanted:
        raise ImportDataError(str(path), [f"holds no frames of kind {settings.kind or 'any'}"])
    return [FrameLogReader(path, settings, survey, series, is_first=series is wanted[0]) for series in wanted]


def survey_log(path: Path) -> LogSurvey:
    """One pass over the heads of all frames; what cannot be read there is told when it is read for good.

    Raises: ImportDataError when no line is a frame of this layout.
    """
    series: dict[tuple[str, str], None] = {}
    delay_min_ns: int | None = None
    sample: list[tuple[str, ...]] = []
    fault = "is empty"
    with TextLines(path).open() as text:
        for number, line in enumerate(text, 1):
            try:
                recorded = split_line(line)
                head = read_head(recorded.frame)
            except FeedDataError as error:
                fault = f"line {number}: {error}"
                continue
            if len(sample) < SAMPLE_ROWS:
                sample.append((str(recorded.received_ns), recorded.frame[:SAMPLE_CHARACTERS].strip()))
            delay_ns = recorded.received_ns - head.sent_ns
            delay_min_ns = delay_ns if delay_min_ns is None else min(delay_min_ns, delay_ns)
            if head.kind != WHOLE:
                series[KINDS[head.kind], head.symbol] = None
    if delay_min_ns is None:
        raise ImportDataError(str(path), [f"holds no frame of the layout {LAYOUT}: {fault}"])
    return LogSurvey(sorted(series), delay_min_ns, tuple(sample))


class FrameLogReader:
    """The frames of one kind and symbol of a log. See FileReader for what its attributes mean.

    is_first: of the log's readers; it alone tells of lines that nobody can read.
    """

    layout = LAYOUT
    row_word = "line"

    def __init__(
        self, path: Path, settings: ImportSettings, survey: LogSurvey, series: tuple[str, str], *, is_first: bool
    ) -> None:
        kind, symbol = series
        self._is_first = is_first
        self.path = str(path)
        self.kind: str | None = kind
        self.order_key: tuple[str, ...] = (symbol, kind)
        self.columns: tuple[ColumnUse, ...] = ()
        self.unused: tuple[str, ...] = ()
        self.sample = survey.sample
        self._lines = TextLines(path)
        self._symbol = symbol
        self._levels = settings.depth_levels
        self._has_one_symbol = len({of for _, of in survey.series}) == 1
        # A recorder behind the venue's clock receives before it was sent; one that is ahead looks like a slow network.
        self._shift_ns = max(0, -survey.delay_min_ns)
        refused = settings.list_refused(
            LAYOUT, None, bar_type=None, time_form=None, stamp=None, session=None, timezone="UTC"
        )
        self._instrument = settings.instrument or f"{symbol}.{settings.venue}"
        try:
            check_instrument_id(self._instrument)
        except InvalidName as error:
            refused.append(str(error))
        self.missing = tuple(refused)
        self.series_text: str | None = f"{kind} {self._instrument}"
        self.time_text = "the venue's own times; receive times are the recorder's"
        self.notes = self._write_notes(survey)

    @property
    def fraction_read(self) -> float:
        """Share of the file's bytes that the present pass has taken."""
        return self._lines.fraction_read

    def read(self, tally: ReadTally) -> Generator[NumberedEvent, None, None]:
        """Events of this kind in the order of the file; what cannot be taken goes to the tally with its line."""
        decode = self._make_decoder()
        with self._lines.open() as text:
            for number, line in enumerate(text, 1):
                try:
                    recorded = split_line(line)
                    head = read_head(recorded.frame)
                except FeedDataError as error:
                    if self._is_first:
                        tally.add_problem(number, str(error))
                    continue
                if not self._is_mine(head):
                    continue
                tally.rows += 1
                try:
                    event = decode(head, recorded.frame, recorded.received_ns + self._shift_ns)
                    if isinstance(event, str):
                        tally.left_out[event] += 1
                        continue
                    event.check()
                except (FeedDataError, InvalidEvent) as error:
                    tally.add_problem(number, str(error))
                    continue
                yield number, event

    def _is_mine(self, head: FrameHead) -> bool:
        if KINDS[head.kind] != self.kind:
            return False
        # A whole book names no symbol; in a log of several, whose it is cannot be told.
        return head.symbol == self._symbol or (head.kind == WHOLE and self._has_one_symbol)

    def _make_decoder(self) -> _Decode:
        if self.kind == "trade_tick":
            return lambda _, frame, received: decode_trade(frame, self._instrument, received) or LEFT_NO_TRADE
        if self.kind == "quote_tick":
            return lambda _, frame, received: decode_quote(frame, self._instrument, received)
        return _BookDecoder(self._instrument, self._levels).decode

    def _write_notes(self, survey: LogSurvey) -> tuple[str, ...]:
        delay_s = survey.delay_min_ns / SECOND_NS
        if not self._shift_ns:
            return (f"the fastest frame was received {delay_s:.3f} s after it was sent; receive times are as recorded",)
        behind = (
            f"the recorder's clock was behind the venue's: a frame was received {-delay_s:.3f} s before it was sent"
        )
        return (f"{behind}. {self._shift_ns} ns were added to every receive time",)


class _BookDecoder:
    """Folds changes into a book, and gives its best levels after each."""

    def __init__(self, instrument: str, levels: int) -> None:
        self._instrument = instrument
        self._book = BinanceBook(instrument, levels)

    def decode(self, head: FrameHead, frame: str, ts_received: int) -> MarketEvent | str:
        """The book after this frame, or why there is none."""
        if head.kind == WHOLE:
            whole = decode_whole(frame)
            event = self._book.begin(
                whole.last, whole.bids, whole.asks, lambda: ts_received, ts_event=whole.ts_event, flags=IMPORTED
            )
        else:
            change = decode_change(frame, self._instrument, ts_received)
            event = self._book.take(change, change.last)
        self._book.news.clear()
        return LEFT_NO_BOOK if event is None else event
