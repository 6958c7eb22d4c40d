"""`python -m tradecore`, and the `tradecore` command: the same command line."""

from __future__ import annotations

from tradecore.cli.main import cli


def main() -> None:
    """Run the command line; it ends with SystemExit."""
    cli.main(prog_name="tradecore")


if __name__ == "__main__":
    main()
