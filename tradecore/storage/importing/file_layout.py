"""Which layout a file has, and the files of a folder in the order in which they are imported.

Receives: a path.
Gives:    one reader per file, inspected, ordered by series and date.
Never:    looks into a file to find its layout: names and suffixes decide, or the user.    Spec: 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tradecore.domain.instrument import Instrument
from tradecore.errors import ImportDataError
from tradecore.storage.importing.binance_layout import BinanceReader, is_binance_name
from tradecore.storage.importing.csv_layout import CsvReader
from tradecore.storage.importing.day_tick_layout import DayTickReader, is_day_tick_name
from tradecore.storage.importing.import_settings import ImportSettings
from tradecore.storage.importing.parquet_layout import ParquetReader
from tradecore.storage.importing.read_tally import FileReader

_TEXT_SUFFIXES: Final = (".csv", ".csv.gz", ".txt", ".txt.gz", ".tsv", ".tsv.gz", ".csv.zip", ".zip", ".gz")


def recognise_layout(path: Path) -> str | None:
    """Layout that a file's name shows, or None."""
    if is_binance_name(path):
        return "binance"
    if is_day_tick_name(path):
        return "day-ticks"
    name = path.name.lower()
    if name.endswith((".parquet", ".pq")):
        return "parquet"
    return "csv" if name.endswith(_TEXT_SUFFIXES) else None


def open_readers(path: Path, settings: ImportSettings, instruments: Mapping[str, Instrument]) -> list[FileReader]:
    """Readers of a file, or of all files of a folder and its folders that have the wanted layout.

    Raises: ImportDataError when there is nothing to read.
    """
    if path.is_dir():
        paths = sorted(file for file in path.rglob("*") if file.is_file() and _is_wanted(file, settings))
        if not paths:
            raise ImportDataError(
                str(path), [f"holds no file of the layout {settings.layout or 'csv, parquet, binance or day-ticks'}"]
            )
    elif not path.exists():
        raise ImportDataError(str(path), ["does not exist; check the path"])
    else:
        paths = [path]
    readers = [_open_reader(file, settings, instruments) for file in paths]
    return sorted(readers, key=lambda reader: reader.order_key)


def _is_wanted(file: Path, settings: ImportSettings) -> bool:
    layout = recognise_layout(file)
    if file.name.startswith(".") or layout is None:
        return False
    return settings.layout in (None, layout) or (settings.layout == "csv" and layout != "parquet")


def _open_reader(path: Path, settings: ImportSettings, instruments: Mapping[str, Instrument]) -> FileReader:
    layout = settings.layout or recognise_layout(path)
    if layout is None:
        raise ImportDataError(
            str(path),
            ["has a name that shows no layout; say it: layout = csv, parquet, binance or day-ticks (--layout)"],
        )
    if layout == "binance":
        return BinanceReader(path, settings, instruments)
    if layout == "day-ticks":
        return DayTickReader(path, settings, instruments)
    if layout == "parquet":
        return ParquetReader(path, settings, instruments)
    if layout == "binance-frames":
        how = "in a program, give import_data open_files=tradecore.runtime.frame_log_layout.open_log_readers"
        raise ImportDataError(str(path), [f"is a log of frames, which the command line reads; {how}"])
    return CsvReader(path, settings, instruments)
