"""The script `objectwise`, and `python -m objectwise`: the command line, or what to install for it."""

from __future__ import annotations

import sys

from objectwise.errors import MissingPackageError, needs_extra


def main() -> None:
    """Run the command line; without its packages, say so and exit with 2."""
    try:
        with needs_extra("objectwise"):
            from objectwise.cli.main import app
    except MissingPackageError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    app()


if __name__ == "__main__":
    main()
