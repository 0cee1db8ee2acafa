"""The script `objectwise`, and `python -m objectwise`: the command line, or what to install for it."""

from __future__ import annotations

import sys

from objectwise.errors import MissingPackageError, needs_extra


def main() -> None:
    """Run the command line; without its packages, say so and exit with 2.

    A command says itself how it was interrupted; here it is one that had not begun.
    """
    try:
        with needs_extra("objectwise"):
            from objectwise.cli.main import app
        app()
    except MissingPackageError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; nothing was half written\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
