"""Hands on, with each test's report, how many inputs it fuzzed and what became of them."""

import fuzzing
import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    fuzzing.COUNTS.clear()
    try:
        return (yield)
    finally:
        item.user_properties += [(f"fuzzed {name}", dict(counts)) for name, counts in fuzzing.COUNTS.items()]
