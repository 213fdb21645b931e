"""What tests on real servers share."""

import pytest


@pytest.fixture(autouse=True)
def apps_forgotten(names_free: None) -> None:
    """Any of these tests may make an app."""
