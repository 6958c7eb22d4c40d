"""VenueInstrument: what the local venue lists, on grids of whole numbers.

Receives: currencies and increments.
Gives:    its name in each dialect; prices and sizes as whole numbers of increments, and their exact text.
Never:    holds a price as a float: what it sends has the digits that it was given.    VENUES 4.1, 4.2.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from tradecore.errors import LocalVenueError

# The names that Kraken's REST gives its oldest assets.
_KRAKEN_ASSETS: Final = {
    "BTC": ("XXBT", "XBT"), "ETH": ("XETH", "ETH"), "XRP": ("XXRP", "XRP"), "LTC": ("XLTC", "LTC"),
    "USD": ("ZUSD", "USD"), "EUR": ("ZEUR", "EUR"), "GBP": ("ZGBP", "GBP"), "JPY": ("ZJPY", "JPY"),
}  # fmt: skip


class NumberGrid:
    """Whole multiples of an increment, and their text with as many digits as the increment shows."""

    __slots__ = ("_scale", "_step", "digits", "increment")

    def __init__(self, increment: Decimal) -> None:
        if not increment.is_finite() or increment <= 0:
            raise LocalVenueError(f"increment is {increment}; expected a number above 0, for example 0.01")
        exponent = increment.as_tuple().exponent
        assert isinstance(exponent, int)
        self.increment: Final = increment
        self.digits: Final = max(-exponent, 0)
        self._scale = 10**self.digits
        self._step = int(increment * self._scale)

    def count(self, number: float | str | Decimal) -> int:
        """The nearest whole number of increments."""
        exact = number if isinstance(number, Decimal) else Decimal(str(number))
        return int((exact / self.increment).quantize(Decimal(1), ROUND_HALF_EVEN))

    def text(self, count: int) -> str:
        """So many increments, exactly: 617902 of 0.10 are "61790.20"."""
        whole, rest = divmod(count * self._step, self._scale)
        return f"{whole}.{rest:0{self.digits}d}" if self.digits else str(whole)

    def product_text(self, other: NumberGrid, product: int) -> str:
        """A price times a size, summed as whole numbers of both increments, with the digits of both."""
        digits = self.digits + other.digits
        whole, rest = divmod(product * self._step * other._step, 10**digits)
        return f"{whole}.{rest:0{digits}d}" if digits else str(whole)


class VenueInstrument:
    """One listed pair.

    base, quote: currencies, upper case ("BTC", "USDT"). price_increment, size_increment: > 0; the digits that they
    show are the digits that the venue sends: 0.10 makes "61800.20".
    """

    __slots__ = ("base", "prices", "quote", "sizes", "symbol")

    def __init__(self, base: str, quote: str, price_increment: Decimal, size_increment: Decimal) -> None:
        self.base: Final = base
        self.quote: Final = quote
        self.symbol: Final = base + quote
        self.prices: Final = NumberGrid(price_increment)
        self.sizes: Final = NumberGrid(size_increment)

    @property
    def kraken_symbol(self) -> str:
        """Its name on Kraken's websocket v2: "BTC/USD"."""
        return f"{self.base}/{self.quote}"

    @property
    def kraken_pair(self) -> str:
        """Its key in answers of Kraken's REST: "XXBTZUSD", "XBTUSDT"."""
        base, quote = kraken_asset(self.base), kraken_asset(self.quote)
        is_old = self.base in _KRAKEN_ASSETS and self.quote in _KRAKEN_ASSETS
        return base[0] + quote[0] if is_old else base[1] + quote[1]

    @property
    def kraken_altname(self) -> str:
        """Its short name on Kraken's REST: "XBTUSD"."""
        return kraken_asset(self.base)[1] + kraken_asset(self.quote)[1]

    def __repr__(self) -> str:
        return f"VenueInstrument({self.kraken_symbol}, {self.prices.increment}, {self.sizes.increment})"


def kraken_asset(currency: str) -> tuple[str, str]:
    """Key and short name of a currency on Kraken's REST."""
    return _KRAKEN_ASSETS.get(currency, (currency, currency))


# Currencies in which pairs are quoted, longest first: "BTCUSDT" must not be read as BTCUSD and T.
_QUOTES: Final = ("FDUSD", "USDT", "USDC", "TUSD", "USD", "EUR", "GBP", "JPY", "BTC", "ETH", "BNB", "SYNTH")


def split_symbol(symbol: str) -> tuple[str, str]:
    """Base and quote of a pair's name: "BTCUSDT", "BTC/USD", "btc-usd"; one currency alone is quoted in USD."""
    plain = symbol.upper().replace("-", "/")
    if "/" in plain:
        base, _, quote = plain.partition("/")
        return base, quote
    for quote in _QUOTES:
        if plain.endswith(quote) and len(plain) > len(quote):
            return plain.removesuffix(quote), quote
    return plain, "USD"
