"""Indicators: incremental, O(1) per update."""

from tradecore.indicators.indicator import Indicator as Indicator
from tradecore.indicators.sma import SMA as SMA
