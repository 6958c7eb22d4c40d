"""Many fault schedules, one after the other; see scripts/seam_schedules."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tradecore.domain.phase import Phase
from tradecore.testing.seam_run import check_seam, run_schedule
from tradecore.testing.seam_schedule import CELLS, format_coverage


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/seam_schedules", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000, help="how many schedules (default 1,000)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--repeat-every", type=int, default=50, help="each so many-th runs twice; its bytes must agree")
    options = parser.parse_args()
    began, met, broken = time.monotonic(), Counter[tuple[str, Phase]](), 0
    for seed in range(options.seed, options.seed + options.count):
        try:
            run = run_schedule(seed)
            met += run.met
            check_seam(run)
            if seed % options.repeat_every == 0 and run_schedule(seed).digest() != run.digest():
                raise AssertionError("the same seed gave other bytes")
        except Exception as error:
            broken += 1
            print(f"seed {seed}: {type(error).__name__}: {error}", flush=True)
        done = seed - options.seed + 1
        if done % 100 == 0:
            print(f"{done:,} of {options.count:,} in {time.monotonic() - began:,.0f} s", file=sys.stderr, flush=True)
    print(format_coverage(met))
    missing = [f"{fault} in {phase.value}" for fault, phase in CELLS if not met[fault, phase]]
    if missing and options.count >= len(CELLS):
        print(f"not met: {', '.join(missing)}")
    print(f"{options.count:,} schedules in {time.monotonic() - began:,.1f} s: {broken or 'none'} broke a law")
    return 1 if broken or (missing and options.count >= len(CELLS)) else 0


if __name__ == "__main__":
    sys.exit(main())
