"""Common ground of all tests: an end for every test, and no skipped test that nobody expected in CI."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# Examples are not timed: the machine may be busy. In CI they are the same each time, so that a run can be repeated;
# new ones are tried where somebody can look at them.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("house"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "house")

# A shell that runs this in the background has it ignore SIGINT, and so would all that is started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A test that hangs is a failed test; the longest real ones (40 rounds of create, watch, delete) take about two minutes.
TEST_DEADLINE_S = 300
# What a distribution may lack; every other skip is a failure in CI.
EXPECTED_SKIPS = ("not in this distribution",)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TEST_DEADLINE_S))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turns unexpected skips into a failure where nobody would read them."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None:
        return
    unexpected = [
        report.nodeid
        for report in reporter.stats.get("skipped", [])
        if not any(reason in str(report.longrepr) for reason in EXPECTED_SKIPS)
    ]
    if unexpected:
        reporter.write_line(f"skipped without an expected reason: {unexpected}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
