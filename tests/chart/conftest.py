"""Renderings, one for each scenario. What needs a tool that is not there skips with its reason."""

from collections.abc import Generator

import pytest

from tests.chart import tools
from tests.chart.helm import Object, render
from tests.chart.scenarios import SCENARIOS


@pytest.fixture(params=SCENARIOS)
def scenario(request: pytest.FixtureRequest) -> str:
    """Each scenario's name in turn."""
    return str(request.param)


@pytest.fixture
def objects(scenario: str) -> list[Object]:
    """What Helm makes of each scenario in turn, for the newest Kubernetes."""
    return render(SCENARIOS[scenario])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    try:
        return (yield)
    except tools.Absent as reason:
        if "helm-" in str(reason):
            raise
        pytest.skip(str(reason))
