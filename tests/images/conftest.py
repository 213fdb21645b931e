"""Both images, built once for the run."""

from collections.abc import Iterator

import pytest

from services.cli.scratch import Scratch
from tests.images.building import Image, built
from tests.images.tools import lacking


@pytest.fixture(scope="session")
def images() -> Iterator[dict[str, Image]]:
    """By kind. Minutes in the first run, seconds later."""
    reason = lacking()
    if reason:
        pytest.skip(reason)
    with built("api", "worker") as made:
        yield made


@pytest.fixture(params=["api", "worker"])
def image(request: pytest.FixtureRequest, images: dict[str, Image]) -> Image:
    """Each of them."""
    return images[request.param]


@pytest.fixture
def scratch() -> Iterator[Scratch]:
    """Whatever runs in it ends with the test."""
    with Scratch() as made:
        yield made
