"""SourceChoice: which series a broker matches each instrument on, or why none.    EXECUTION 3.

Receives: the series that a run reads, the broker's settings, and what its account cannot pay.
Gives:    a MatchSource or a sentence by instrument, in order of their ids; the mistakes that end a run.
Never:    opens anything: the broker does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tradecore.brokerage.settings import SimulatedBrokerSettings
from tradecore.domain.instrument import Instrument
from tradecore.engine.participant import Source
from tradecore.errors import UnknownInstrument
from tradecore.execution.match_source import Candidate, MatchSource, choose_match_source


def list_choices(
    sources: Sequence[Source],
    instruments: Mapping[str, Instrument],
    settings: SimulatedBrokerSettings,
    find_mistake: Callable[[Instrument], str | None],
    *,
    more_may_come: bool,
) -> tuple[dict[str, MatchSource | str], list[str]]:
    """Choices by instrument, and mistakes. find_mistake: why an account cannot trade an instrument.

    Raises: UnknownInstrument.
    """
    candidates: dict[str, list[Candidate]] = {}
    for source in sources:
        listed = candidates.setdefault(source.instrument, [])
        if not source.made_by_run:
            listed.append(Candidate(source.kind, source.name))
    choices: dict[str, MatchSource | str] = {}
    mistakes: list[str] = []
    for name in sorted(candidates):
        if name not in instruments:
            raise UnknownInstrument(name, list(instruments))
        mistake = find_mistake(instruments[name])
        if mistake is not None:
            mistakes.append(mistake)
            continue
        wanted = settings.match_on.get(name)
        choices[name] = chosen = choose_match_source(candidates[name], wanted, settings.spread.get(name))
        if isinstance(chosen, MatchSource) or more_may_come:
            continue
        sides = [c for c in candidates[name] if c.kind == "bar" and c.name.endswith((" bid", " ask"))]
        if wanted is not None or sides:
            mistakes.append(f"{name}: {chosen}")
    return choices, mistakes
