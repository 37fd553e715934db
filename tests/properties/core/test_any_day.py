"""Anything may happen to a cell, and what is promised holds; found by hypothesis, made small."""

from hypothesis import HealthCheck, settings

from tests.support.any_day import AnyDay

AnyDay.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestAnyDay = AnyDay.TestCase
