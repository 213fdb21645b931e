"""A dev database's password is made once: an upgrade finds it in the cluster and keeps it."""

from base64 import b64decode

import pytest

from tests.chart.cluster import holding
from tests.chart.helm import HELM_3, HELM_4, Object, Values, render
from tests.chart.reading import of_kind

SERVER = ("--dry-run=server", "--disable-openapi-validation", "--kube-apiserver")
DEV: Values = {"dev": {"enabled": True}}


def _secrets(values: Values, helm: str, cluster: str) -> list[Object]:
    found = render(values, helm=helm, options=[*SERVER, cluster])
    return of_kind(found, "Secret")


def _data(secrets: list[Object]) -> dict[str, Object]:
    return {each["metadata"]["name"]: each["data"] for each in secrets}


@pytest.mark.parametrize("helm", [HELM_3, HELM_4])
def test_an_upgrade_keeps_the_passwords_that_the_cluster_has(helm: str) -> None:
    with holding() as empty:
        installed = _secrets(DEV, helm, empty)
    with holding(*installed) as cluster:
        upgraded = _secrets(DEV, helm, cluster)

    assert set(_data(installed)) == {"engine-order-engine-postgres", "engine-order-engine-redis"}
    assert _data(upgraded) == _data(installed)


@pytest.mark.parametrize("helm", [HELM_3, HELM_4])
def test_a_password_that_is_given_replaces_the_one_that_was_made(helm: str) -> None:
    given = {"dev": {"enabled": True, "redis": {"password": "given-by-hand"}}}
    with holding() as empty:
        installed = _secrets(DEV, helm, empty)
    with holding(*installed) as cluster:
        changed = _data(_secrets(given, helm, cluster))

    name, other = "engine-order-engine-redis", "engine-order-engine-postgres"
    assert b64decode(changed[name]["REDIS_PASSWORD"]) == b"given-by-hand"
    assert changed[other] == _data(installed)[other]
