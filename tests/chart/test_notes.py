"""What a user reads around `helm install`: values that work, the next commands, and no secret."""

import re

import yaml

from tests.chart.helm import CHART, notes, render
from tests.chart.scenarios import CANARY, INGRESS, PEERS, URLS, merged


def test_without_ingress_and_gateway_the_notes_tell_how_to_forward_a_port() -> None:
    told = notes(URLS)

    assert "port-forward service/engine-order-engine-api" in told
    assert "--namespace trade" in told
    assert CANARY not in told


def test_with_an_ingress_the_notes_tell_its_address() -> None:
    told = notes(merged(URLS, PEERS, INGRESS))

    assert "https://orders.example.com" in told
    assert "port-forward" not in told


def test_the_values_that_the_readme_shows_are_taken() -> None:
    shown = re.findall(r"```yaml\n(# values-.*?)```", (CHART / "README.md").read_text(), re.DOTALL)

    assert len(shown) == 2
    production, monitoring = map(yaml.safe_load, shown)
    assert render(production)
    assert render(merged(production, monitoring))


def test_the_notes_tell_three_commands() -> None:
    commands = [
        line.strip()
        for line in notes(URLS).splitlines()
        if line.strip().startswith(("kubectl ", "helm ", "curl "))
    ]

    assert len(commands) == 3


def test_the_notes_of_dashboards_whose_links_lead_nowhere_tell_how_to_mend_them() -> None:
    values = merged(URLS, {"dashboards": {"enabled": True}})
    published = merged(values, {"runbooks": {"url": "https://docs.example.com"}})

    assert "set runbooks.url" in notes(values)
    assert "runbooks" not in notes(published)
    assert "runbooks" not in notes(URLS)
