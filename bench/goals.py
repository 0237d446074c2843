"""A goal is a ratio: ours against a yardstick, taken turn by turn in one run."""

import os
import platform
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True, slots=True)
class Goal:
    """`least` and `aim` are ratios; `at_most` when a smaller one is better."""

    name: str
    what: str
    least: float
    aim: float
    at_most: bool = False
    unit: str = "x"

    def report(self, ratio: float) -> bool:
        sign = -1 if self.at_most else 1
        reached = sign * ratio >= sign * self.least
        verdict = "reached" if reached else "MISSED"
        if sign * ratio >= sign * self.aim:
            verdict = "aim reached"
        bound = "at most" if self.at_most else "at least"
        wanted = f"{bound} {self._text(self.least)}, aim {self._text(self.aim)}"
        print(
            f"{self.name:4} {self.what}: {self._text(ratio)} ({wanted}) {verdict}",
            flush=True,
        )
        return reached

    def _text(self, ratio: float) -> str:
        if self.unit == "%":
            return f"{ratio * 100:.0f} %"
        return f"{ratio:.2f} {self.unit}"


def turns(rounds: int, measures: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Each measure once a round, the medians of all rounds; printed with the spread.

    Whoever begins a round changes from one to the next.
    """
    found: dict[str, list[float]] = {name: [] for name in measures}
    names = list(measures)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            begun = perf_counter()
            found[name].append(measures[name]())
            print(
                f"round {number + 1}: {name} {found[name][-1]:,.1f}"
                f" ({perf_counter() - begun:.0f} s)",
                file=sys.stderr,
                flush=True,
            )
    medians = {name: statistics.median(values) for name, values in found.items()}
    for name, values in found.items():
        spread = (max(values) - min(values)) / medians[name] * 100
        print(f"     {name}: {medians[name]:,.1f} (spread {spread:.0f} %)")
    return medians


def machine() -> str:
    """What the figures were measured on, and how busy it was."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 -- not a path of ours
        models = [line for line in file if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    return (
        f"{os.cpu_count()} x {model}, Python {platform.python_version()},"
        f" load {os.getloadavg()[0]:.1f}"
    )
