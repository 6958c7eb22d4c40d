"""Every error that tradecore raises on purpose, as one tree.

An error carries its facts as attributes and says what was met, what was expected and what to do next.
Foreign errors (sqlite3, pyarrow, OSError) are translated at the boundary, `from` the original.

    TradecoreError
    ├── InvalidEvent            a value that no market can have (NaN, high below low, naive time ...)
    │   └── InvalidTime
    ├── InvalidName             an instrument id or bar type that cannot be read
    ├── UnknownInstrument
    ├── OrderError              what is wrong with an order at any time, raised at the call
    │   ├── InvalidOrder
    │   ├── IllegalOrderTransition
    │   ├── UnknownOrder
    │   ├── NotLiveYet          a real order before phase D
    │   ├── InvalidOpportunity  an opportunity that cannot be meant
    │   └── OpportunityStateError  a command that its present state cannot take
    ├── FeedError
    │   ├── FeedOutOfOrder      a historical feed that goes back in time
    │   ├── FeedFinished
    │   ├── FeedOverflow        a push into a full feed whose policy is FAIL
    │   ├── FeedMismatch        a feed that does not suit what is to be made of it
    │   ├── StreamBroken        a live stream lacks events that nothing brings back, and the policy is "halt"
    │   ├── StreamConflict      a live stream gave one id twice with other values, and the policy is "halt"
    │   ├── SpillFailed         the LiveBuffer is full and cannot write what it holds aside
    │   └── CatchUpTooSlow      phase C does not come to an end: events come faster than they are delivered
    ├── FeedDataError           a frame of a venue that cannot be read; it is kept aside, the feed goes on
    ├── VenueError
    │   ├── VenueUnreachable    no connection: no such host, refused, no answer
    │   │   └── VenueUntrusted  TLS: whoever answered could not prove to be the venue
    │   ├── VenueRefused        the handshake was answered with a refusal (401, 403, 418, 429 ...)
    │   ├── VenueNotRunning     a call that needs the venue's connections while `run` is not running
    │   ├── SubscriptionRefused
    │   │   └── UnknownSymbol
    │   ├── SubscriptionTimeout a subscription that was never acknowledged
    │   ├── VenueRequestFailed  a question that was answered with an error, or not at all
    │   │   └── VenueRateLimited
    │   ├── HistoryNotOffered   the venue has no such past
    │   ├── UnknownVenue        an instrument of a live run whose venue is not configured
    │   ├── InstrumentConflict  the venue defines an instrument otherwise than the run does
    │   ├── BackfillTooLarge    more rows would be asked of a venue than [handover] backfill_limit
    │   └── VenueProcessFailed  the local venue that a run wanted to start for itself
    ├── EngineError
    │   ├── EngineStateError    a call that the engine cannot take in its present state
    │   └── TurnLimitExceeded   a thousand rounds at one instant
    ├── MarginBroken            an account fell below its maintenance margin, and on_breach is "halt"
    ├── StrategyError           a strategy raised; the original is `__cause__`
    ├── StorageError
    │   ├── StorageUnavailable  cannot be opened (missing driver, not a database, corrupt, no permission)
    │   ├── StorageSchemaNewer
    │   ├── StorageConflict     same identity, other values
    │   └── SeriesNotFound
    ├── ImportDataError         rows of an input file that cannot be taken; names file and lines
    ├── ImportSettingsError     words about an import that cannot be meant
    ├── ImportIncomplete        the store failed in the middle of a large import; names what it has
    ├── ExportDataError         a file that cannot be written, or a name that shows no format
    ├── SyntheticDataError      settings from which no synthetic data can be made
    ├── ConfigError             all mistakes of a configuration at once
    ├── DataMissing             a run asks for data that the store does not have
    ├── StatisticsError         a record or a question that no statistics can answer
    ├── RunFolderError          results could not be written
    │   └── LoggerFailed        the logger that was given to a run raised
    ├── NotARunFolder           nothing that a run left, where one was to be verified
    ├── RecordingError
    │   ├── RecordingFailed     live events could not be written down; names what was kept
    │   └── RecordingUnreadable nothing that was recorded, or damaged, or more than can be replayed
    ├── LocalVenueError         a market, fault or request that the local venue cannot make sense of
    │   └── LocalVenuePortTaken the address it should listen at
    ├── VirtualTimeError        a test on virtual time that cannot go on
    │   ├── VirtualDeadlock     nothing is ready and no timer is scheduled
    │   ├── VirtualLivelock     callbacks without end at one instant
    │   ├── VirtualTimeOver     more virtual time passed than the run was given
    │   └── VirtualTimeRefused  what cannot be virtual: threads, real sockets, processes, signals
    └── RunningLoopError        a sync wrapper called inside a running event loop
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


class TradecoreError(Exception):
    """Base of all errors that tradecore raises on purpose.

    exit_code: of the command line. run_folder: where what a run did until then was kept, if it was kept.
    """

    exit_code = 1
    run_folder: Path | None = None


# ---------------------------------------------------------------------------------------------------------- values


class InvalidEvent(TradecoreError, ValueError):
    """A market event with a value that no market can have; nothing of it was taken."""

    exit_code = 4


class InvalidTime(InvalidEvent):
    """A time that is naive, not UTC, or outside the years that int nanoseconds can hold."""


class InvalidName(TradecoreError, ValueError):
    """An instrument id or bar type that cannot be read."""

    exit_code = 3


class UnknownInstrument(TradecoreError, LookupError):
    """An instrument id that neither the configuration nor the store defines."""

    exit_code = 3

    def __init__(self, instrument: str, known: Sequence[str] = ()) -> None:
        listed = ", ".join(sorted(known)) or "none"
        super().__init__(
            f"instrument {instrument!r} is not defined; defined: {listed}. Add an [[instruments]] table with this id."
        )
        self.instrument, self.known = instrument, tuple(known)


# ---------------------------------------------------------------------------------------------------------- orders


class OrderError(TradecoreError):
    """What is wrong with an order or a command, raised at the call; the order is unchanged."""


class InvalidOrder(OrderError, ValueError):
    """An order that no venue could take (zero quantity, missing price, off the increment)."""


class UnknownOrder(OrderError, LookupError):
    """A command for an order that this strategy never submitted, or that is finished."""


class InvalidOpportunity(OrderError, ValueError):
    """An opportunity that cannot be meant: an entry that cannot open, management of an exit that it does not have."""


class OpportunityStateError(OrderError):
    """A command for an opportunity that was not submitted, is finished, or has no such exit."""


class NotLiveYet(OrderError):
    """A real order while the run is not live: nothing was sent."""

    def __init__(self, broker: str, instrument: str, reason: str) -> None:
        super().__init__(
            f"{broker} takes no real order for {instrument}: {reason}. Use the simulated broker until "
            "on_phase_changed tells of phase D, or ask order_gate(instrument) before"
        )
        self.broker, self.instrument, self.reason = broker, instrument, reason


class IllegalOrderTransition(OrderError):
    """A state change that the transition table does not have."""

    def __init__(self, order_id: str, current: str, requested: str) -> None:
        super().__init__(f"order {order_id} is {current} and cannot become {requested}")
        self.order_id, self.current, self.requested = order_id, current, requested


# ----------------------------------------------------------------------------------------------------------- feeds


class FeedError(TradecoreError):
    """A feed that cannot go on."""

    exit_code = 4


class FeedOutOfOrder(FeedError):
    """A historical feed went back in time; all earlier rows were delivered."""

    def __init__(self, feed: str, row: int, previous_ns: int, met_ns: int, *, shown: tuple[str, str]) -> None:
        super().__init__(
            f"feed {feed!r} goes back in time at row {row}: {shown[1]} comes after {shown[0]}. "
            "A historical feed must be in order of event time; sort the source, or import it into a store."
        )
        self.feed, self.row, self.previous_ns, self.met_ns = feed, row, previous_ns, met_ns


class FeedFinished(FeedError):
    """An event was pushed into a feed that has been closed."""


class FeedOverflow(FeedError):
    """An event was pushed into a full feed whose overflow policy is FAIL; the event was not taken."""

    def __init__(self, feed: str, capacity: int) -> None:
        super().__init__(
            f"feed {feed!r} is full: {capacity} events wait to be read. Push more slowly, raise its capacity, "
            "or make it with overflow=Overflow.WAIT"
        )
        self.feed, self.capacity = feed, capacity


class FeedMismatch(FeedError):
    """A source that cannot make the bars asked for: another instrument, another price, a step that does not divide."""


# ---------------------------------------------------------------------------------------------------------- venues


class StreamBroken(FeedError):
    """Events of a live stream are missing, history does not bring them back, and [handover] on_broken is "halt"."""

    exit_code = 5

    def __init__(self, stream: str, what: str) -> None:
        super().__init__(
            f"{stream}: {what}. Nothing brings it back, and the run must not go on without it. Start again, import the "
            'stretch with `tradecore data import`, or let the run go on without real orders: on_broken = "degrade"'
        )
        self.stream, self.what = stream, what


class StreamConflict(FeedError):
    """The same id came with other values, and [handover] on_conflict is "halt"."""

    exit_code = 5

    def __init__(self, stream: str, number: int, first: object, second: object) -> None:
        super().__init__(
            f"{stream}: id {number} came as {first!r} and again as {second!r}. Find out which one the venue stands by, "
            'or let the run go on with the first and without real orders: on_conflict = "warn"'
        )
        self.stream, self.number, self.first, self.second = stream, number, first, second


class SpillFailed(FeedError):
    """The LiveBuffer's memory is full and the file behind it cannot be written. `lost` says what was not taken."""

    exit_code = 5

    def __init__(self, where: str, lost: Sequence[str], cause: BaseException) -> None:
        listed = "; ".join(lost) or "nothing yet"
        super().__init__(
            f"live events could not be written to {where}: {cause}. Not taken since: {listed}. Make disk room, or "
            "give the buffer more memory ([handover] buffer_events)"
        )
        self.where, self.lost = where, tuple(lost)


class CatchUpTooSlow(FeedError):
    """Phase C does not end: live events come faster than the strategies take them."""

    exit_code = 5

    def __init__(self, seconds: float, depth: int, lag_s: float) -> None:
        super().__init__(
            f"phase C has gone on for {seconds:.0f} s, and {depth:,} events still wait, one since {lag_s:.1f} s. "
            "Subscribe to less, make the callbacks faster, or allow more time: [handover] catch_up_limit"
        )
        self.seconds, self.depth, self.lag_s = seconds, depth, lag_s


class FeedDataError(TradecoreError, ValueError):
    """A frame that cannot be read, or with a value that no market can have. It is kept aside, the feed goes on."""

    exit_code = 5


class VenueError(TradecoreError):
    """A venue that does not do what was asked of it."""

    exit_code = 5


class VenueUnreachable(VenueError):
    """No connection could be made; says what was tried, how often, and the last reason."""

    def __init__(self, url: str, attempts: int, reason: str) -> None:
        tried = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        super().__init__(
            f"{url} cannot be reached after {tried}: {reason}. Check the url, the network and the venue's status page"
        )
        self.url, self.attempts, self.reason = url, attempts, reason


class VenueUntrusted(VenueUnreachable):
    """Whoever answered could not prove to be the venue: its TLS certificate is not trusted. Nothing was asked of it."""

    def __init__(self, url: str, reason: str, advice: str) -> None:
        VenueError.__init__(self, f"{url} cannot be trusted, and nothing was sent to it: {reason}. {advice}")
        self.url, self.attempts, self.reason, self.advice = url, 1, reason, advice


class VenueRefused(VenueError):
    """The venue answered the handshake with a refusal that trying again does not change."""

    def __init__(self, url: str, status: int, reason: str) -> None:
        super().__init__(
            f"{url} refused the connection: {reason}. Trying again will not change that: check the url, and whether "
            "the venue serves your address and country"
        )
        self.url, self.status, self.reason = url, status, reason


class VenueNotRunning(VenueError):
    """A call that needs the venue's connections, outside of `run`."""

    def __init__(self, venue: str, call: str) -> None:
        super().__init__(f"{venue}.{call} needs the venue's connections; start {venue}.run in a task group first")
        self.venue, self.call = venue, call


class SubscriptionRefused(VenueError):
    """The venue does not give this stream."""

    def __init__(self, venue: str, stream: object, reason: str) -> None:
        super().__init__(f"{venue} refused the subscription to {stream}: {reason}")
        self.venue, self.stream, self.reason = venue, stream, reason


class UnknownSymbol(SubscriptionRefused):
    """The venue does not know this instrument."""


class SubscriptionTimeout(VenueError):
    """The venue never acknowledged a subscription; the stream is not subscribed."""

    def __init__(self, venue: str, stream: object, seconds: float) -> None:
        super().__init__(
            f"{venue} did not acknowledge the subscription to {stream} within {seconds:g} s; "
            "the venue may be overloaded: try again, or raise ack_timeout_s"
        )
        self.venue, self.stream, self.seconds = venue, stream, seconds


class VenueRequestFailed(VenueError):
    """A question to a venue that was answered with an error, or not at all (status 0)."""

    def __init__(self, venue: str, request: str, status: int, reason: str) -> None:
        if status:
            text = f"{venue} answered {request} with status {status}: {reason}"
        else:
            advice = "look at its status page and try again; a slow line may need a larger request_timeout_s"
            text = f"{venue} did not answer {request}: {reason}; {advice}"
        super().__init__(text)
        self.venue, self.request, self.status, self.reason = venue, request, status, reason


class VenueRateLimited(VenueRequestFailed):
    """The venue refuses questions for a while. retry_after_s: how long it asked to be left alone."""

    def __init__(self, venue: str, request: str, status: int, reason: str, retry_after_s: float) -> None:
        super().__init__(venue, request, status, reason)
        self.retry_after_s = retry_after_s


class HistoryNotOffered(VenueError):
    """The venue has no such past; what is missing must come from the store, or is declared missing."""


class UnknownVenue(VenueError):
    """A live run reads an instrument of a venue that it is not connected to."""

    exit_code = 3

    def __init__(self, instrument: str, suffix: str, known: Sequence[str]) -> None:
        listed = ", ".join(sorted(known)) or "none"
        super().__init__(
            f"{instrument} trades at {suffix}, and this run has no such venue; it has {listed}. Add a "
            f"[venues.{suffix.lower()}] table (with suffix = {suffix!r} where its type is called otherwise), or "
            "correct the id"
        )
        self.instrument, self.suffix, self.known = instrument, suffix, tuple(known)


class InstrumentConflict(VenueError):
    """The venue's own definition of an instrument differs from the run's: (word, ours, theirs) for each difference."""

    exit_code = 3

    def __init__(self, instrument: str, venue: str, differing: Sequence[tuple[str, object, object]]) -> None:
        listed = "; ".join(f"{word} is {ours} here and {theirs} there" for word, ours, theirs in differing)
        super().__init__(
            f"{instrument} is defined otherwise by {venue}: {listed}. Correct the [[instruments]] table, or take it "
            "out: the venue's definition is used then"
        )
        self.instrument, self.venue, self.differing = instrument, venue, tuple(differing)


class BackfillTooLarge(VenueError):
    """Asking the venue for what the store lacks would take too many rows."""

    def __init__(self, stream: object, rows: int, seconds: float, limit: int) -> None:
        super().__init__(
            f"{stream}: about {rows:,} rows are missing between the store and now, some {seconds:,.0f} s of questions "
            f"to the venue; [handover] backfill_limit is {limit:,}. Import the venue's archive with `tradecore data "
            "import FILE`, make [run] warmup shorter, or raise the limit"
        )
        self.stream, self.rows, self.seconds, self.limit = stream, rows, seconds, limit


class VenueProcessFailed(VenueError):
    """`tradecore venue`, started for a run, ended instead of serving."""

    def __init__(self, name: str, command: Sequence[str], said: str) -> None:
        super().__init__(
            f"[venues.{name}] local: `{' '.join(command)}` ended before it was ready: {said.strip() or 'no word'}. "
            "Try this command by itself"
        )
        self.name, self.command, self.said = name, tuple(command), said


# ---------------------------------------------------------------------------------------------------------- engine


class EngineError(TradecoreError):
    """The engine cannot do what was asked."""


class EngineStateError(EngineError):
    """A call that does not fit the engine's present state."""


class TurnLimitExceeded(EngineError):
    """Orders and reports went back and forth a thousand times at one instant."""


class StrategyError(TradecoreError):
    """A strategy's callback raised. The original exception is `__cause__`; its traceback names the user's line."""

    def __init__(self, strategy: str, callback: str, where: str, cause: BaseException) -> None:
        super().__init__(f"strategy {strategy!r} raised in {callback}: {type(cause).__name__}: {cause} ({where})")
        self.strategy, self.callback, self.where = strategy, callback, where


# --------------------------------------------------------------------------------------------------------- storage


class StorageError(TradecoreError):
    """A store that cannot do what was asked; what it held before is unchanged."""

    exit_code = 4


class StorageUnavailable(StorageError):
    """A store that cannot be opened: no such driver, not a database, corrupt, no permission."""


class StorageSchemaNewer(StorageError):
    """A store written by a newer tradecore."""

    def __init__(self, url: str, found: int, supported: int) -> None:
        super().__init__(
            f"{url} has schema version {found}; this tradecore reads up to version {supported}. "
            "Upgrade tradecore, or export the data with the version that wrote it."
        )
        self.url, self.found, self.supported = url, found, supported


class StorageConflict(StorageError):
    """The store already has an event of this identity with other values; nothing was appended."""


class SeriesNotFound(StorageError, LookupError):
    """A series that the store does not have."""

    def __init__(self, url: str, series: object, known: Iterable[object] = ()) -> None:
        names = sorted(map(str, known))
        listed = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        super().__init__(
            f"{url} has no series {str(series)!r}; it has {listed or 'none'}. "
            "Import it with `tradecore data import`, or correct the name."
        )
        self.url, self.series, self.known = url, series, tuple(names)


class ImportDataError(TradecoreError):
    """Rows of an input file that cannot be taken; nothing of the file was imported."""

    exit_code = 4

    def __init__(self, path: str, problems: Sequence[str], *, total: int | None = None) -> None:
        total = len(problems) if total is None else total
        shown = "\n".join(f"  {problem}" for problem in problems)
        more = f"\n  ... and {total - len(problems)} more" if total > len(problems) else ""
        super().__init__(f"{path}: {total} problem{'s' if total != 1 else ''}; nothing was imported\n{shown}{more}")
        self.path, self.problems, self.total = path, tuple(problems), total


class ImportSettingsError(TradecoreError, ValueError):
    """Words about an import that cannot be meant; nothing was read."""

    exit_code = 2

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("the import settings cannot be meant:\n" + "\n".join(f"  {mistake}" for mistake in mistakes))
        self.mistakes = tuple(mistakes)


class ImportIncomplete(StorageError):
    """The store failed in the middle of an import too large for one append; the original error is `__cause__`."""

    def __init__(self, path: str, stored: int, total: int, cause: BaseException) -> None:
        super().__init__(
            f"{path}: the store failed after {stored} of {total} events: {cause}. "
            "What was stored is sound; repair the store and import again: it adds the rest and repeats nothing."
        )
        self.path, self.stored, self.total = path, stored, total


class ExportDataError(TradecoreError):
    """A file that cannot be written, or a name that shows no format; no file is left half-written."""

    exit_code = 4


class SyntheticDataError(TradecoreError, ValueError):
    """Settings from which no synthetic data can be made; nothing was made."""

    exit_code = 2


# --------------------------------------------------------------------------------------------------- configuration


class ConfigError(TradecoreError):
    """All mistakes of a configuration, each with its place, what was expected and what to type."""

    exit_code = 3

    def __init__(self, source: str, mistakes: Sequence[object]) -> None:
        count = len(mistakes)
        listed = "\n".join(str(mistake) for mistake in mistakes)
        super().__init__(f"{source}: {count} mistake{'s' if count != 1 else ''}\n{listed}")
        self.source, self.mistakes = source, tuple(mistakes)


class DataMissing(TradecoreError):
    """A run asks for a series, or a stretch of one, that the store does not have."""

    exit_code = 4


class StatisticsError(TradecoreError, ValueError):
    """A record that statistics cannot take, or a question they cannot answer; what they held is unchanged."""


class RunFolderError(TradecoreError):
    """Results could not be written; what was written before is kept and labelled incomplete."""


class LoggerFailed(RunFolderError):
    """The logger that was given to a run raised; the original is `__cause__`."""

    def __init__(self, event: str, error: Exception) -> None:
        super().__init__(
            f"the logger given to this run raised at {event!r}: {type(error).__name__}: {error}; expected a structlog "
            "or logging logger, or an object whose debug, info, warning and error take (event, **facts)"
        )
        self.event = event


class MarginBroken(TradecoreError):
    """The equity of an account fell below its maintenance margin, and the policy is to halt. What was held still is."""

    exit_code = 6

    def __init__(self, broker: str, ts: int, reason: str) -> None:
        super().__init__(
            f'account {broker!r}, {reason}; working orders were cancelled. on_breach = "close" closes what is held '
            "instead and goes on"
        )
        self.broker, self.ts = broker, ts


class NotARunFolder(TradecoreError):
    """A folder to be verified in which no run left anything, or one of a newer layout."""

    exit_code = 4


class RecordingError(TradecoreError):
    """What concerns the recording of live events."""

    exit_code = 4


class RecordingFailed(RecordingError):
    """Live events could not be written down (a full disk, no permission); what was recorded before is kept, whole."""

    def __init__(self, path: Path, kept: int, error: OSError) -> None:
        super().__init__(
            f"{path}: cannot be written ({error.strerror or error}); the {kept:,} before are kept and readable. Free "
            "space or permissions there, or record into another folder"
        )
        self.path, self.kept = path, kept


class RecordingUnreadable(RecordingError):
    """A folder that holds no recording, one that was damaged, or one that holds what cannot be read back."""


class RunningLoopError(TradecoreError, RuntimeError):
    """A sync wrapper was called where an event loop is already running."""

    def __init__(self, sync_name: str, async_name: str) -> None:
        super().__init__(
            f"{sync_name}() cannot run inside an event loop that is already running (a notebook, an async service); "
            f"write `await {async_name}(...)` instead."
        )


# -------------------------------------------------------------------------------------------------- virtual time


class VirtualTimeError(TradecoreError):
    """A test on virtual time that cannot go on."""


class VirtualDeadlock(VirtualTimeError):
    """Nothing is ready and no timer is scheduled: whatever the tasks wait for can never come.

    instant: the virtual time as text; waiting: one line a task, its name and where it waits.
    """

    def __init__(self, instant: str, waiting: Sequence[str]) -> None:
        listed = "\n".join(f"  {line}" for line in waiting) or "  no task; only the main future is awaited"
        super().__init__(
            f"deadlock at {instant}: nothing is ready and no timer is scheduled, so nothing can happen any more. "
            f"Waiting:\n{listed}\nSet what they wait for, cancel them, or give the wait a timeout."
        )
        self.instant, self.waiting = instant, tuple(waiting)


class VirtualLivelock(VirtualTimeError):
    """The loop went round and round at one instant, always with something ready, so that time could not move."""

    def __init__(self, instant: str, rounds: int, tasks: Sequence[str]) -> None:
        listed = "\n".join(f"  {line}" for line in tasks) or "  no task; callbacks schedule each other"
        super().__init__(
            f"livelock at {instant}: after {rounds} rounds of the loop something is still ready and time cannot move. "
            f"Tasks:\n{listed}\nLet the busy one sleep or wait for an event, or raise VirtualLimits.rounds_per_instant."
        )
        self.instant, self.rounds, self.tasks = instant, rounds, tuple(tasks)


class VirtualTimeOver(VirtualTimeError):
    """More virtual time passed than the run was given; usually something waits while timers keep the loop going."""

    def __init__(self, instant: str, duration_s: float, tasks: Sequence[str]) -> None:
        listed = "\n".join(f"  {line}" for line in tasks)
        super().__init__(
            f"the next timer is at {instant}, past the {duration_s:g} s of virtual time that this run may take. "
            f"Tasks:\n{listed}\nGive the wait that never ends a timeout, or raise VirtualLimits.duration_s."
        )
        self.instant, self.duration_s, self.tasks = instant, duration_s, tuple(tasks)


class VirtualTimeRefused(VirtualTimeError, RuntimeError):
    """Code under virtual time asked for something that lives in real time."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(f"{what} cannot run on virtual time; {instead}")
        self.what, self.instead = what, instead


# ------------------------------------------------------------------------------------------------------ local venue


class LocalVenueError(TradecoreError):
    """A market, a fault or a setting from which no local venue can be made; nothing was started."""

    exit_code = 5


class LocalVenuePortTaken(LocalVenueError):
    """The address that the local venue should listen at is not free, or not ours to take."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"cannot listen at {host}:{port}: {reason}. Choose another port, or 0 for any free one: --listen {host}:0"
        )
        self.host, self.port, self.reason = host, port, reason
