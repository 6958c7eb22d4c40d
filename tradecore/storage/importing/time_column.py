"""TimeColumn: text of a time column to int nanoseconds, with the zone that the user or the data gave.

Receives: the first time of a file, to recognise its form; then the time of every row.
Gives:    exact instants; the day's session close for rows that hold a date only.
Never:    guesses a zone, the order of day and month, or the unit of a number that could have two.    Spec: 1.1.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from tradecore.domain.instant import to_ns
from tradecore.domain.trading_session import TradingSession, find_zone
from tradecore.errors import InvalidTime
from tradecore.storage.importing.import_settings import EPOCH_UNITS

_ISO: Final = re.compile(
    r"^(\d{4})([-/.])(\d\d?)\2(\d\d?)"
    r"(?:[T ]+(\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|UTC|[+-]\d\d:?\d\d)?)?$"
)
_NUMBER: Final = re.compile(r"^-?\d+(\.\d*)?$")
_TODAY_LIKE: Final = re.compile(r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}\b")

# Numbers between 1990 and 2100 in each unit; the windows do not overlap, so that a number in one has one meaning.
_EPOCH_FIRST_S: Final = 631_152_000
_EPOCH_LAST_S: Final = 4_102_444_800

_Offset = timedelta | None


def recognise_time_form(sample: str) -> str:
    """Form of a time text: "iso", "date", "s", "ms", "us" or "ns".

    Raises: InvalidTime when the text could be read in two ways or in none, saying which form to name.
    """
    text = sample.strip()
    match = _ISO.match(text)
    if match is not None:
        return "date" if match[5] is None else "iso"
    if _NUMBER.match(text):
        whole = abs(int(text.partition(".")[0]))
        for unit, unit_ns in EPOCH_UNITS.items():
            per_second = 1_000_000_000 // unit_ns
            if _EPOCH_FIRST_S * per_second <= whole <= _EPOCH_LAST_S * per_second:
                return unit
        raise InvalidTime(
            f"time {sample!r} is a number that could mean several things; name its form: time_form = "
            '"s", "ms", "us" or "ns" since 1970, or a pattern such as "%Y%m%d"'
        )
    if _TODAY_LIKE.match(text):
        raise InvalidTime(
            f"time {sample!r} does not say which part is the day; name its form, "
            'for example time_form = "%d.%m.%Y %H:%M:%S" or "%m/%d/%Y"'
        )
    raise InvalidTime(
        f"time {sample!r} cannot be read; expected ISO 8601 or a number since 1970, or name its form, "
        'for example time_form = "%d %b %Y %H:%M"'
    )


class TimeColumn:
    """Reads the times of one file, all in one form.

    form: as in ImportSettings.time_form. zone: for times that name none; it must explain the offsets of those that do.
    session: ends date-only rows. carried_zone: the header says it (a column called "time_utc").
    """

    def __init__(
        self,
        form: str,
        zone_name: str | None,
        session: TradingSession | None = None,
        *,
        carried_zone: str | None = None,
    ) -> None:
        self.form = form
        self.session = session
        self._zone_name = zone_name or carried_zone
        self._zone: tzinfo | None = None
        if self._zone_name is not None:
            self._zone = UTC if self._zone_name == "UTC" else find_zone(self._zone_name)
        self._first_offset: _Offset = None
        self._is_first = True
        if form in EPOCH_UNITS:
            self._unit_ns = EPOCH_UNITS[form]

    @property
    def is_date_only(self) -> bool:
        """True when rows hold a day and no time of day."""
        return self.form == "date" or ("%" in self.form and not re.search(r"%[HIsScXfpM]", self.form))

    def needs_zone(self, sample: str) -> bool:
        """True when a time of this form names no zone and none was given."""
        if self._zone is not None or self.is_date_only or self.form in EPOCH_UNITS:
            return False
        if "%" in self.form:
            return "%z" not in self.form
        match = _ISO.match(sample.strip())
        return match is not None and match[9] is None

    def describe(self) -> str:
        """How times are read, in words."""
        if self.is_date_only:
            return f"days that end at the close of the session {self.session.text if self.session else '?'}"
        if self.form in EPOCH_UNITS:
            return f"numbers in {self.form} since 1970 UTC"
        form = "ISO 8601" if self.form == "iso" else self.form
        return f"{form}, in {self._zone_name}" if self._zone_name else f"{form}, in the zone that each time names"

    def restart(self) -> None:
        """Forget the first row: a new pass over the file begins."""
        self._is_first, self._first_offset = True, None

    def read(self, cell: object) -> int:
        """Instant of a cell, int nanoseconds. Raises: InvalidTime."""
        if self.form in EPOCH_UNITS:
            return self._read_number(cell)
        if type(cell) is not str:
            raise InvalidTime(f"time is {cell!r}; expected text in the form {self.form}")
        if self.is_date_only:
            return self._read_day(cell)
        return self._read_pattern(cell) if "%" in self.form else self._read_iso(cell)

    def _read_number(self, cell: object) -> int:
        if type(cell) is int:
            return cell * self._unit_ns
        text = str(cell).strip()
        if not _NUMBER.match(text):
            raise InvalidTime(f"time {text!r} is not a number, though the first row's is")
        whole, _, fraction = text.partition(".")
        unit_ns = self._unit_ns
        instant = int(whole) * unit_ns
        if fraction.strip("0"):
            scale: int = 10 ** len(fraction)
            part, lost = divmod(int(fraction) * unit_ns, scale)
            if lost:
                raise InvalidTime(f"time {text!r} is finer than a nanosecond")
            instant += -part if whole.startswith("-") else part
        return instant

    def _read_day(self, text: str) -> int:
        if self.session is None:
            raise InvalidTime("days need a session that ends them")
        if "%" in self.form:
            return self.session.compute_close_ns(self._parse_pattern(text).date())
        match = _ISO.match(text.strip())
        if match is None:
            raise InvalidTime(f"day {text!r} cannot be read; expected year-month-day")
        if any(part and part.strip("0") for part in (match[5], match[6], match[7], match[8])):
            raise InvalidTime(
                f"{text!r} has a time of day; expected a day only, as in the rows before or as time_form says"
            )
        try:
            day = date(int(match[1]), int(match[3]), int(match[4]))
        except ValueError as error:
            raise InvalidTime(f"day {text!r} is in no calendar ({error})") from error
        return self.session.compute_close_ns(day)

    def _read_iso(self, text: str) -> int:
        match = _ISO.match(text.strip())
        if match is None or match[5] is None:
            raise InvalidTime(f"time {text!r} cannot be read; expected ISO 8601 with a time of day")
        year, _, month, day, hour, minute, second, fraction, zone = match.groups()
        try:
            local = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0))  # noqa: DTZ001
        except ValueError as error:
            raise InvalidTime(f"time {text!r} is on no clock ({error})") from error
        fraction_ns = int(fraction.ljust(9, "0")) if fraction else 0
        return self._to_instant(local, _parse_offset(zone), text) + fraction_ns

    def _read_pattern(self, text: str) -> int:
        local = self._parse_pattern(text)
        return self._to_instant(local.replace(tzinfo=None), local.utcoffset(), text)

    def _parse_pattern(self, text: str) -> datetime:
        try:
            return datetime.strptime(text.strip(), self.form)  # noqa: DTZ007  (the zone is added by the caller)
        except ValueError as error:
            raise InvalidTime(f"time {text!r} does not match time_form {self.form!r} ({error})") from error

    def _to_instant(self, local: datetime, offset: _Offset, text: str) -> int:
        if self._is_first:
            self._is_first, self._first_offset = False, offset
            if offset is not None and self._zone is not None:
                self._check_offset(local, offset, text)
        elif offset != self._first_offset:
            self._check_change(local, offset, text)
        if offset is not None:
            return to_ns((local - offset).replace(tzinfo=UTC))
        if self._zone is UTC:
            return to_ns(local.replace(tzinfo=UTC))
        return self._localise(local, text)

    def _localise(self, local: datetime, text: str) -> int:
        if self._zone is None:
            raise InvalidTime(f"time {text!r} names no zone and none was given")
        early = local.replace(tzinfo=self._zone)
        if early.utcoffset() != early.replace(fold=1).utcoffset():
            raise InvalidTime(
                f"time {text!r} happened twice or never in {self._zone_name}, where the clocks change; "
                "the file must hold UTC, or offsets, around that hour"
            )
        return to_ns(early.astimezone(UTC))

    def _check_change(self, local: datetime, offset: _Offset, text: str) -> None:
        if offset is None or self._first_offset is None:
            raise InvalidTime(
                f"time {text!r} mixes zones: rows before it {'name theirs' if offset is None else 'name none'}"
            )
        if self._zone is None:
            raise InvalidTime(
                f"time {text!r} mixes zones: its offset differs from the first row's; if the file follows a place's "
                'clock, say which: timezone = "America/New_York"'
            )
        self._check_offset(local, offset, text)

    def _check_offset(self, local: datetime, offset: timedelta, text: str) -> None:
        instant = (local - offset).replace(tzinfo=UTC)
        if instant.astimezone(self._zone).utcoffset() != offset:
            raise InvalidTime(
                f"time {text!r} names an offset that {self._zone_name} does not have then; leave timezone out, "
                "or name the zone that the file follows"
            )


def _parse_offset(zone: str | None) -> _Offset:
    if zone is None:
        return None
    if zone in ("Z", "UTC"):
        return timedelta(0)
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -offset if zone[0] == "-" else offset
