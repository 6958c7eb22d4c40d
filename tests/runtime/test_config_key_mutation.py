"""RELIABILITY 47: every mistyped key of a configuration fails, and its mistake names the nearest right name."""

from __future__ import annotations

import string
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.errors import ConfigError
from tradecore.runtime.config import parse_config
from tradecore.runtime.config_mistakes import ConfigMistake
from tradecore.runtime.toml_places import KeyPath, Place, find_toml_places

QUICKSTART = (Path(__file__).parents[2] / "configs" / "quickstart.toml").read_text()
PLACES = {path: place for path, place in find_toml_places(QUICKSTART).keys.items() if isinstance(path[-1], str)}
REFERRED_TO: dict[KeyPath, str] = {
    ("brokers", "sim"): "strategies[0].broker",  # the user's own name: what refers to it names the new one
    ("brokers", "sim", "cash", "USD"): "brokers.sim.cash",
}


@st.composite
def mutate_key(draw: st.DrawFn) -> tuple[KeyPath, str]:
    """A key of the quickstart, and its name after one slip of the finger."""
    path = draw(st.sampled_from(sorted(PLACES, key=str)))
    name = str(path[-1])
    at = draw(st.integers(0, len(name) - 1))
    letter = draw(st.sampled_from(string.ascii_lowercase + "_"))
    slip = draw(st.sampled_from(["other", "more", "less", "swap", "upper"]))
    mutant = {
        "other": name[:at] + letter + name[at + 1 :],
        "more": name[:at] + letter + name[at:],
        "less": name[:at] + name[at + 1 :],
        "swap": name[:at] + name[at + 1 : at + 2] + name[at] + name[at + 2 :],
        "upper": name[:at] + name[at].swapcase() + name[at + 1 :],
    }[slip]
    return path, mutant


def rename_key(text: str, place: Place, name: str, mutant: str) -> str:
    lines = text.split("\n")
    line = lines[place.line - 1]
    at = place.column - 1
    assert line[at : at + len(name)] == name
    lines[place.line - 1] = line[:at] + mutant + line[at + len(name) :]
    return "\n".join(lines)


def is_one_slip_from(word: str, other: str) -> bool:
    """One letter more, less, other, or two neighbours swapped, whatever the case."""
    word, other = word.casefold(), other.casefold()
    one_less = {word[:i] + word[i + 1 :] for i in range(len(word))}
    other_less = {other[:i] + other[i + 1 :] for i in range(len(other))}
    swapped = {word[:i] + word[i + 1 : i + 2] + word[i] + word[i + 2 :] for i in range(len(word))}
    replaced = len(word) == len(other) and sum(a != b for a, b in zip(word, other, strict=True)) <= 1
    return word == other or other in one_less or word in other_less or other in swapped or replaced


@given(mutate_key())
def test_every_mistyped_key_fails_with_its_nearest_right_name(mutated: tuple[KeyPath, str]) -> None:
    path, mutant = mutated
    name = str(path[-1])
    text = rename_key(QUICKSTART, PLACES[path], name, mutant)
    if mutant in ("", name):
        return
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        tables = None  # the slip made a key that stands there twice: that is a mistake of its own
    with pytest.raises(ConfigError) as caught:
        parse_config(text, name="x.toml")
    mistakes = [m for m in caught.value.mistakes if isinstance(m, ConfigMistake)]
    if tables is None:
        assert mistakes[0].code == "TC-CFG-002"
        return
    wanted_key = REFERRED_TO.get(path)
    if wanted_key is not None:
        named = [m for m in mistakes if m.key == wanted_key]
        assert named, [str(m) for m in mistakes]
        assert named[0].nearest == mutant
        return
    place = PLACES[path]
    unknown = [m for m in mistakes if (m.line, m.column) == (place.line, place.column) and m.nearest]
    assert unknown, [str(m) for m in mistakes]
    assert unknown[0].nearest is not None
    if unknown[0].nearest != name:  # another right name is one slip away too, for example "id" and "if"
        assert is_one_slip_from(mutant, unknown[0].nearest)
