"""Laws of accounts over random stories: cash is what was paid and received, flat is flat, windows do not matter."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tradecore.brokerage.settings import RateCommission
from tradecore.domain.account_adjustment import AccountAdjustment, AdjustmentKind
from tradecore.domain.execution import Execution
from tradecore.domain.order import Order
from tradecore.testing.broker_desk import BrokerDesk, make_broker_desk
from tradecore.testing.builders import make_instrument, make_quote_tick

ID = "COIN.SIM"
SECOND = 10**9
CASH = Decimal(10_000)

PRICES = st.lists(st.integers(40, 200), min_size=1, max_size=4)
VALUES = {
    "DIVIDEND": ["0.5", "0.013"],
    "SPLIT": ["2", "0.5", "1.5"],
    "FUNDING": ["0.0007", "-0.01"],
    "INTEREST": ["0.003"],
}
STEPS = st.one_of(
    st.tuples(st.just("move"), PRICES),
    st.tuples(st.just("market"), st.integers(-150, 150).filter(bool)),
    st.tuples(st.just("limit"), st.tuples(st.integers(-50, 50).filter(bool), st.integers(40, 200))),
    *[st.tuples(st.just(kind), st.sampled_from(values)) for kind, values in VALUES.items()],
)
STORIES = st.lists(STEPS, min_size=1, max_size=12)


class Teller:
    """Plays a story to a broker, a second after each other."""

    def __init__(self, *, paid_in: str, account: str = "margin", window: int | None = None) -> None:
        coin = make_instrument(ID, quantity_increment="0.001", base_currency="COIN")
        commission = RateCommission(maker=Decimal("0.0003"), taker=Decimal("0.0011"), currency=paid_in)
        margins: dict[str, Any] = {"maintenance_margin": Decimal("0.25"), "borrow_rate": Decimal("0.3")}
        if account == "cash":
            margins = {}
        self.desk: BrokerDesk = make_broker_desk(
            f"quote_tick {ID}",
            instruments=[coin],
            cash={"USD": CASH},
            commission=commission,
            account=account,
            **margins,
        )
        self.window, self.second = window, 0
        self.move([100])

    def move(self, prices: list[int]) -> None:
        quotes = []
        for price in prices:
            self.second += 20_000  # a midnight passes every four or five quotes
            at = self.second * SECOND
            quotes.append(make_quote_tick(at, price, price + 1, bid_size=None, ask_size=None, instrument=ID))
        self.desk.play(*quotes, window=self.window)

    async def tell(self, story: list[tuple[str, Any]]) -> None:
        for word, what in story:
            if word == "move":
                self.move(what)
            elif word == "market":
                await self.desk.submit(Order.market(ID, what))
            elif word == "limit":
                await self.desk.submit(Order.limit(ID, *what))
            else:
                self.adjust(AdjustmentKind[word], Decimal(what))

    def adjust(self, kind: AdjustmentKind, value: Decimal) -> None:
        self.second += 1
        ts = self.second * SECOND
        is_interest = kind is AdjustmentKind.INTEREST
        name, currency = ("", "USD") if is_interest else (ID, None)
        self.desk.play(AccountAdjustment(kind, name, ts, ts, value, currency), window=self.window)

    @property
    def cash(self) -> Decimal:
        held: Decimal = self.desk.broker.get_account().cash["USD"]
        return held

    def describe(self) -> list[Any]:
        """Everything that was told and is held."""
        desk, recorder = self.desk, self.desk.recorder
        return [
            desk.executions, recorder.positions, recorder.orders, recorder.marks, desk.adjusted, recorder.notes,
            desk.broker.get_account(), desk.broker.get_orders(),
        ]  # fmt: skip


def list_paid(execution: Execution) -> list[Decimal]:
    """Money that an execution brought, below 0 took."""
    parts = [-execution.signed_quantity * execution.price]
    return parts if execution.commission_currency == "COIN" else [*parts, -execution.commission]


@settings(max_examples=60, deadline=None)
@given(story=STORIES, paid_in=st.sampled_from(["quote", "base", "received"]))
async def test_cash_is_the_initial_cash_and_what_executions_and_adjustments_paid(
    story: list[tuple[str, Any]], paid_in: str
) -> None:
    """Exact, to the last digit, whatever is commission's currency and however often the margin broke."""
    teller = Teller(paid_in=paid_in)
    await teller.tell(story)
    expected = CASH
    for execution in teller.desk.executions:
        for part in list_paid(execution):
            expected += part
    for adjusted in teller.desk.adjusted:
        expected += adjusted.amount
    assert teller.cash == expected


@settings(max_examples=60, deadline=None)
@given(story=STORIES)
async def test_flat_means_cost_zero_and_what_was_realised_is_the_cash(story: list[tuple[str, Any]]) -> None:
    """Closed whole at the end: realised less commission, and interest, are all that the cash has gained."""
    teller = Teller(paid_in="quote")
    await teller.tell(story)
    for order in list(teller.desk.handles.values()):
        if order.is_open:
            await teller.desk.cancel(order)
    for position in teller.desk.broker.get_positions():
        await teller.desk.submit(Order.market(ID, -position.quantity))
    ledgers = teller.desk.broker._book.ledgers.values()
    interest = Decimal(0)
    for adjusted in teller.desk.adjusted:
        interest += adjusted.amount if adjusted.after is None else 0
    gained = interest
    for ledger in ledgers:
        assert not ledger.position.quantity
        assert not ledger.position.cost
        gained += ledger.position.realised - ledger.position.commission
        assert not ledger.open_buys
        assert not ledger.open_sells
    assert teller.cash - CASH == gained


@settings(max_examples=40, deadline=None)
@given(story=STORIES, window=st.integers(1, 3))
async def test_how_the_feed_is_cut_into_windows_changes_nothing(story: list[tuple[str, Any]], window: int) -> None:
    told = []
    for size in (window, None):
        teller = Teller(paid_in="quote", window=size)
        await teller.tell(story)
        told.append(teller.describe())
    assert told[0] == told[1]


@settings(max_examples=40, deadline=None)
@given(story=STORIES, paid_in=st.sampled_from(["quote", "base", "received"]))
async def test_a_cash_account_never_owes_and_is_never_short(story: list[tuple[str, Any]], paid_in: str) -> None:
    """Funding may take more than there is, so the story has none of it."""
    teller = Teller(paid_in=paid_in, account="cash")
    for step in story:
        if step[0] != "FUNDING":
            await teller.tell([step])
            assert teller.cash >= 0
            assert all(position.quantity > 0 for position in teller.desk.broker.get_positions())
