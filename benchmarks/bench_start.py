"""How long `import objectwise` and `objectwise --help` take, against what they cannot do without.

    python benchmarks/bench_start.py   # some seconds

Each runs in a new process, in turns; the fastest of nine counts. Writes its part of `docs/performance.md`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from bench_malis import Claim, table
from harness import environment, publish, seconds_of

TURNS = 9
COMMANDS = {
    "numpy": ("-c", "import numpy"),
    "objectwise": ("-c", "import numpy, objectwise"),
    "typer": ("-c", "import typer, typer.rich_utils"),
    "help": ("-m", "objectwise", "--help"),
}


def run(arguments: Sequence[str]) -> None:
    """Run Python once; it must succeed."""
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def main() -> None:
    """Time the processes and write the page."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(TURNS):
        for name, arguments in COMMANDS.items():
            times[name].append(seconds_of(lambda arguments=arguments: run(arguments)))  # type: ignore[misc]
    best = {name: min(seconds) for name, seconds in times.items()}
    claims = [
        Claim("`import objectwise`, beyond `import numpy`", best["objectwise"] - best["numpy"], 0.2, "s"),
        Claim("`objectwise --help`, beyond `import typer`", best["help"] - best["typer"], 0.5, "s"),
    ]
    facts = environment("numpy", "typer")
    text = (
        "## Start\n\n"
        "Made by `benchmarks/bench_start.py`: new processes in turns, the fastest of "
        f"{TURNS}.\n\nCommit {facts['commit']}, {facts['date']}; {facts['machine']}.\n\n{table(claims)}"
    )
    sys.stdout.write(text)
    publish("start", text)


if __name__ == "__main__":
    main()
