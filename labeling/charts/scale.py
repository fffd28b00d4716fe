"""From data to a share of the plot's side, with round ticks.

Source: P. Heckbert, "Nice Numbers for Graph Labels", Graphics Gems (1990).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
Format = Literal["number", "percent", "seconds", "time", "money"]
DAY = 86400
_TIME_STEPS = [1, 5, 15, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400]
_TIME_STEPS += [14 * 86400, 30 * 86400, 91 * 86400, 365 * 86400]


@dataclass(frozen=True)
class Scale:
    """Maps [low, high] to [0, 1], by logarithm when ``log``; ``say`` writes a value for a person."""

    low: float
    high: float
    ticks: tuple[float, ...]
    say: Callable[[float], str]
    log: bool = False

    def __call__(self, value: float) -> float:
        if self.log:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)


def scale(
    values: Iterable[float],
    *,
    unit: Format = "number",
    low: float | None = None,
    high: float | None = None,
    log: bool = False,
    count: int = 5,
    whole: bool = False,
    months: Sequence[str] = MONTHS,
) -> Scale:
    """A scale that holds all values; given ends are kept, the others are rounded outwards to a tick.

    Where values are counts (``whole``), no tick stands between two numbers.
    """
    seen = [float(value) for value in values if math.isfinite(value)] or [0.0, 1.0]
    least, most = (min(seen) if low is None else low), (max(seen) if high is None else high)
    if log and least > 0:
        return _log_scale(least, most, unit)
    days = unit == "time" and all(value % DAY == 0 for value in seen)  # sums of a day each, which have no clock time
    if most - least <= 1e-9 * max(abs(least), abs(most)):
        margin = (DAY / 2 if days else 900.0) if unit == "time" else abs(least) * 0.1 or 1.0
        least, most = (least if low is not None else least - margin), (most if high is not None else most + margin)
        if least == most:  # both ends are given, and are one
            most += margin
    if unit == "time":
        ticks = _time_ticks(least, most, count, shortest=DAY if days else 0)
        return Scale(least, most, ticks, time_sayer(max(most - least, 2 * DAY if days else 0), months))
    step = max(nice_step(most - least, count), 1.0 if whole else 0.0)
    start = least if low is not None else math.floor(least / step + 1e-9) * step
    end = most if high is not None else math.ceil(most / step - 1e-9) * step
    first = math.ceil(start / step - 1e-9)
    ticks = tuple(float(f"{step * k:.12g}") for k in range(first, math.floor(end / step + 1e-9) + 1))
    return Scale(start, end, ticks, sayer(unit, step))


def nice_step(span: float, count: int) -> float:
    """The round step (1, 2 or 5 times a power of ten) that cuts the span into about ``count`` parts."""
    raw = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    return power * next((nice for nice in (1, 2, 5) if raw / power <= nice * 1.0001), 10)


def _log_scale(least: float, most: float, unit: Format) -> Scale:
    if most <= least:
        least, most = least / 2, least * 2
    low, high = least / 1.15, most * 1.15
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5)):
        ticks = tuple(t for e in exponents for s in steps if low <= (t := s * 10.0**e) <= high)
        if len(ticks) >= 3:
            break
    if len(ticks) < 2:  # all lies within one of those steps
        step = nice_step(high - low, 4)
        ticks = tuple(step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1))
        return Scale(low, high, ticks, sayer(unit, step), log=True)
    return Scale(low, high, ticks, sayer(unit, low), log=True)


def _time_ticks(least: float, most: float, count: int, shortest: float) -> tuple[float, ...]:
    fits = (step for step in _TIME_STEPS if step >= shortest and (most - least) / step <= count)
    step = next(fits, _TIME_STEPS[-1])
    first = math.ceil(least / step)
    return tuple(float(step * k) for k in range(first, math.floor(most / step) + 1))


def time_sayer(span: float, months: Sequence[str] = MONTHS) -> Callable[[float], str]:
    """Seconds since 1970 (UTC) as a clock time within two days, as a date beyond; ``months`` are their short names."""
    pattern = "%H:%M:%S" if span < 300 else "%H:%M" if span < 2 * 86400 else ""

    def say(value: float) -> str:
        moment = datetime.fromtimestamp(value, UTC)
        if pattern:
            return moment.strftime(pattern).removeprefix("0")
        month = months[moment.month - 1]
        return f"{moment.day} {month}" if span < 300 * 86400 else f"{month} {moment.year}"

    return say


def sayer(unit: Format, step: float = 0.0) -> Callable[[float], str]:
    """A writer of values; ``step`` is the smallest difference that must stay visible."""
    if unit == "percent":
        digits = max(0, min(3, -math.floor(math.log10(step * 100) + 1e-9))) if step > 0 else 1
        return lambda value: f"{value * 100:.{digits}f}\u202f%"
    if unit == "seconds":
        return say_seconds
    if unit == "money":
        return lambda value: f"{value:,.2f}"
    return lambda value: say_number(value, step)


def say_number(value: float, step: float = 0.0) -> str:
    """1234567 -> 1.23M; 0.05 -> 0.05; whole numbers stay whole, and neighbours a ``step`` apart are told apart."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if 0 < step < size / 100:
            continue
        if abs(value) >= size and (size > 1e3 or abs(value) >= 1e4 or value % 1000 == 0):
            return f"{value / size:.2f}".rstrip("0").rstrip(".") + letter
    if value == int(value):
        return str(int(value))
    digits = max(0, min(6, -math.floor(math.log10(step) + 1e-9))) if step > 0 else 3
    short = f"{value:.{max(digits, 1)}f}"
    return short.rstrip("0").rstrip(".") or "0"


def say_seconds(value: float) -> str:
    """0.012 -> 12 ms; 75 -> 1.3 min; 7200 -> 2 h."""
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s")):
        if abs(value) >= size:
            return f"{value / size:.1f}".removesuffix(".0") + f" {unit}"
    return "0 s" if value == 0 else f"{value * 1000:.3g} ms"


def seconds_of(value: datetime | float) -> float:
    """A point in time or a plain number, as a number."""
    return value.timestamp() if isinstance(value, datetime) else float(value)
