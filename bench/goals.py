"""A goal is a ratio: ours against a yardstick, taken turn by turn in one run.

Progress goes to standard error; standard output is a table for docs/performance.md.
"""

import os
import platform
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of what was measured, and how far apart the rounds were."""

    values: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        spread = (max(self.values) - min(self.values)) / abs(self.median) * 100
        digits = 0 if self.median >= 100 else 1
        return f"{self.median:,.{digits}f} (±{spread / 2:.0f} %)"


@dataclass(frozen=True, slots=True)
class Goal:
    """`least` and `aim` bound a ratio; `at_most` when a smaller one is better."""

    name: str
    what: str
    least: float
    aim: float
    at_most: bool = False
    unit: str = "×"

    def report(self, ratio: float, figures: str) -> None:
        """A row of the table."""
        sign = -1 if self.at_most else 1
        verdict = "reached" if sign * ratio >= sign * self.least else "**missed**"
        if sign * ratio >= sign * self.aim:
            verdict = "aim reached"
        bound = "≤" if self.at_most else "≥"
        print(
            f"| {self.name} | {self.what} | {bound} {self._text(self.least)}"
            f" | {self._text(self.aim)} | {self._text(ratio)} | {verdict}"
            f" | {figures} |",
            flush=True,
        )

    def _text(self, ratio: float) -> str:
        match self.unit:
            case "%":
                return f"{ratio * 100:.0f} %"
            case "ms":
                return f"{ratio:.0f} ms"
        return f"{ratio:.2f} {self.unit}"


def head(what: str) -> None:
    """What was measured and on what; then the head of the table."""
    print(f"{what}; {machine()}.\n")
    print("| goal | what | at least | aim | measured | verdict | figures |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)


def turns(rounds: int, measures: dict[str, Callable[[], float]]) -> dict[str, Figure]:
    """Each measure once a round, after each other.

    Whoever begins a round changes from one to the next.
    """
    found: dict[str, list[float]] = {name: [] for name in measures}
    names = list(measures)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            begun = perf_counter()
            found[name].append(measures[name]())
            say(
                f"round {number + 1}: {name} {found[name][-1]:,.1f}"
                f" ({perf_counter() - begun:.0f} s)"
            )
    return {name: Figure(values) for name, values in found.items()}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def machine() -> str:
    """What the figures were measured on, and how busy it was."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 -- not a path of ours
        models = [line for line in file if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    return (
        f"{os.cpu_count()} × {model}, Python {platform.python_version()},"
        f" load {os.getloadavg()[0]:.1f} at the start"
    )
