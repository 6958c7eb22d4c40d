"""Verification: the laws of trading, checked on what a run left, by code of its own.

Receives: a run folder.
Gives:    for each law how often it was checked and where it was broken (`run_verification.verify_run`).
Never:    imports anything of tradecore but errors.py, so that a mistake there cannot excuse itself here; an import
          contract says so.    Spec: RELIABILITY 3; DESIGN 11.

What is read. Numbers of money and amount are JSON strings, times are int nanoseconds since 1970 UTC.

run.json         format (1), run_id, status (complete | interrupted | failed | incomplete), ended_at, counts {orders,
                 executions}, match_sources {"BROKER INSTRUMENT": "WORD series"}, digests {name: sha256}, files {name:
                 {is_whole, lines, bytes, sha256}}; config: run {start, end}, strategies [{name, broker}], instruments
                 [{id, price_increment, quantity_increment, currency, base_currency, multiplier}], brokers {name:
                 {account, cash, commission, latency {submit, cancel, update, report}, contingency}}.
    optional     instruments {id: as above}: those that were matched, wherever they were defined; accounts {broker:
                 {cash {currency: amount}, positions [{strategy, instrument, quantity, cost}]}}: the broker's own books
                 at the end.
orders.jsonl     the order after each change at the venue: order_id, strategy, broker, instrument, side, order_type,
                 quantity, price, stop_price, time_in_force, state, filled_quantity, average_price, reason, ts_decided,
                 ts_event.
    optional     updated, update_rejected, cancel_rejected (answers to commands); ts_command (when the cancel or update
                 that the line answers was decided; of a simulated broker it is always there); terms {post_only,
                 reduce_only, expire_ns (GTD), group_id, contingency ("OTO", "OCO", "OUO"), parent_id (the order whose
                 executions bring this one to life), role ("CLOSE": it closes what a group executed too much)}.
executions.jsonl execution_id (order id, dot, counter), order_id, strategy, broker, source, instrument, side, quantity,
                 price, commission, commission_currency, liquidity, matched_on, ts_event.
    optional     slippage; rate, commission_rate (of conversion into the account's currency).
events.jsonl     ts_event, kind; of the kind "account_adjustment": broker, and currency with amount (money received) or
                 strategy, instrument with quantity (units received).
    optional     executions (lines of executions.jsonl before it); with it adjustment ("DIVIDEND", "SPLIT", "FUNDING",
                 "INTEREST", "BORROW"), strategy, and value (of a split: new units for each old one).
                 of the kind "groups_split": strategy, broker, instrument, value (new units for each old one): its
                 groups go on in new units behind so many lines of orders.jsonl (order_lines).
callbacks.jsonl  with a trace: ts, strategy, callback, subject.
statistics.json  all, strategies {name}: the figures of one or several strategies; by_direction, by_source,
                 by_instrument, by_strategy: parts of them.

A law that needs an optional field which is not there is left out, and the report counts how often and why.
"""
