"""Distributions of times and sizes, as a model's file names them, and one draw from each.

The one thing to know: a draw takes its chance from the ``Random`` that is passed in, and a constant
takes none, so that a uniform model never touches a seed.
"""

import math
from bisect import bisect_right
from itertools import pairwise
from random import Random

import msgspec


class Constant(msgspec.Struct, frozen=True, tag="constant", tag_field="kind"):
    """Always the same."""

    value: float


class Uniform(msgspec.Struct, frozen=True, tag="uniform", tag_field="kind"):
    """Anything between two values, each as likely."""

    low: float
    high: float


class Exponential(msgspec.Struct, frozen=True, tag="exponential", tag_field="kind"):
    """Without memory: how long until something that may happen at any time."""

    mean: float
    at_most: float = math.inf


class LogNormal(msgspec.Struct, frozen=True, tag="lognormal", tag_field="kind"):
    """Mostly near the median with a long tail: sizes of images, times of jobs."""

    median: float
    sigma: float
    at_most: float = math.inf


class Quantiles(msgspec.Struct, frozen=True, tag="quantiles", tag_field="kind"):
    """From data: pairs of share and value, straight lines between them."""

    points: list[tuple[float, float]]


Distribution = Constant | Uniform | Exponential | LogNormal | Quantiles
Draw = float | Distribution
"""In a file a bare number is a constant."""


def draw(distribution: Draw, chance: Random) -> float:
    """One value, never negative for distributions that ``problem`` has nothing to say about."""
    match distribution:
        case Constant():
            return distribution.value
        case Uniform():
            return chance.uniform(distribution.low, distribution.high)
        case Exponential():
            mean = distribution.mean
            value = chance.expovariate(1.0 / mean) if mean > 0 else 0.0
            return min(value, distribution.at_most)
        case LogNormal():
            value = chance.lognormvariate(math.log(distribution.median), distribution.sigma)
            return min(value, distribution.at_most)
        case Quantiles():
            return _between(distribution.points, chance.random())
        case _:
            return distribution


def _between(points: list[tuple[float, float]], share: float) -> float:
    place = bisect_right(points, share, key=lambda point: point[0])
    if place == 0:
        return points[0][1]
    if place == len(points):
        return points[-1][1]
    (low_share, low), (high_share, high) = points[place - 1], points[place]
    return low + (high - low) * (share - low_share) / (high_share - low_share)


def problem(distribution: Draw) -> str | None:
    """What is wrong with it, as the end of a sentence, or None."""
    match distribution:
        case Constant(value=value):
            return _negative("value", value)
        case Uniform(low=low, high=high):
            return _negative("low", low) or ("has low above high" if low > high else None)
        case Exponential(mean=mean, at_most=at_most):
            return _negative("mean", mean) or _negative("at_most", at_most)
        case LogNormal(median=median, sigma=sigma, at_most=at_most):
            if median <= 0:
                return f"has median {median:g}, which must be above 0"
            return _negative("sigma", sigma) or _negative("at_most", at_most)
        case Quantiles(points=points):
            return _points_problem(points)
        case _:
            return _negative("the value", distribution)


def _negative(name: str, value: float) -> str | None:
    return None if value >= 0 else f"has {name} {value:g}, which must not be negative"


def _points_problem(points: list[tuple[float, float]]) -> str | None:
    if not points:
        return "has no points; write pairs of share and value, for example [[0.5, 10], [1, 60]]"
    shares, values = zip(*points, strict=True)
    if any(a >= b for a, b in pairwise(shares)) or shares[0] < 0:
        return "has shares that do not rise"
    if shares[-1] > 1:
        return f"has a share of {shares[-1]:g}, above 1"
    if any(a > b for a, b in pairwise(values)):
        return "has values that fall while their shares rise"
    return _negative("the first value", values[0])


def is_certain(distribution: Draw) -> bool:
    """Whether it draws the same value each time."""
    return isinstance(distribution, float | int | Constant)
