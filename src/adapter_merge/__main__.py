"""`python -m adapter_merge`, and the console script."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; the result is the exit code."""
    from adapter_merge.cli.main import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
