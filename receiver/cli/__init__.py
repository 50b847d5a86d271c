"""The command line. `receiver --help` costs only click: a command is imported when it is asked for."""

from __future__ import annotations

from receiver.cli.commands import root


def main() -> None:
    """Run the command line and exit: 0 good, 1 found something wrong, 2 usage."""
    root.main(prog_name="receiver")


__all__ = ["main", "root"]
