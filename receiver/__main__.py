"""`python -m receiver` and the console script."""

from __future__ import annotations

from receiver.cli import main

if __name__ == "__main__":
    main()
