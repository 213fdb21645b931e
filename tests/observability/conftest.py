"""The stage, played once for all that is asked about it afterwards."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.observability import prometheus
from tests.observability.load import play
from tests.observability.stage import Stage, stage


@pytest.fixture(scope="session")
def played() -> Iterator[Stage]:
    """After the play, its processes still there. Skips where there is no Prometheus."""
    if prometheus.ABSENT:
        pytest.skip(prometheus.ABSENT)
    with stage() as made:
        with ThreadPoolExecutor(1) as pool:  # pytest-asyncio minds the main thread's loop
            pool.submit(made.act, play).result()
        yield made
