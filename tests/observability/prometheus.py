"""A real Prometheus that lives in a scratch folder, and how it is asked."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from math import isnan
from pathlib import Path
from typing import Any, Self, cast

import httpx
import yaml

from services.cli.ports import listen_somewhere
from services.cli.scratch import Scratch
from tests.paths import ROOT

SERVER, TOOL = shutil.which("prometheus"), shutil.which("promtool")
ABSENT = "" if SERVER and TOOL else "there is no prometheus and promtool on PATH"
"""Why nothing of this can run; empty where it can."""

LAPTOP = ROOT / "docs/prometheus.yml"
"""The configuration that the documentation gives to people; the stage's is made from it."""
RULES = ROOT / "charts/order-engine/rules"
PATIENCE = timedelta(seconds=30)
EVERY = "1s"

Config = dict[str, Any]


class BadExpression(Exception):
    """Prometheus would not evaluate this. Its text says why."""


@dataclass(frozen=True)
class Series:
    """Samples of one series: when, in Unix time, and what."""

    labels: Mapping[str, str]
    samples: Sequence[tuple[float, float]]

    @property
    def has_data(self) -> bool:
        """Whether any sample is a number."""
        return not all(isnan(value) for _, value in self.samples)


class Prometheus:
    """Asks a Prometheus at `url`. Every method that takes an expression raises `BadExpression`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=30)

    def instant(self, expression: str, at: float | None = None) -> list[Series]:
        """The expression's value now, or at some time."""
        when = {} if at is None else {"time": at}
        return _series(self._ask("query", {"query": expression, **when}))

    def range(self, expression: str, start: float, end: float, step: float = 1) -> list[Series]:
        """The expression's values from `start` to `end`, `step` seconds apart."""
        asked = {"query": expression, "start": start, "end": end, "step": step}
        return _series(self._ask("query_range", asked))

    def exemplars(self, expression: str, start: float, end: float) -> list[dict[str, str]]:
        """The labels of every exemplar of the series that the expression names."""
        asked = {"query": expression, "start": start, "end": end}
        found = self._ask("query_exemplars", asked)
        return [each["labels"] for series in found for each in series["exemplars"]]

    def label_values(self, label: str, match: str = "") -> list[str]:
        """The label's values, of the series that `match` selects."""
        asked = {"match[]": match} if match else {}
        return cast(list[str], self._ask(f"label/{label}/values", asked))

    def knows(self, selector: str, start: float, end: float) -> bool:
        """Whether it has any series that the selector names."""
        return bool(self._ask("series", {"match[]": selector, "start": start, "end": end}))

    def groups(self) -> list[dict[str, Any]]:
        """The groups of rules, as it evaluated them last."""
        return cast(list[dict[str, Any]], self._ask("rules", {})["groups"])

    def is_ready(self) -> bool:
        """Whether it answers."""
        with suppress(httpx.TransportError):
            return self._client.get("/-/ready").status_code == httpx.codes.OK
        return False

    def close(self) -> None:
        """Ask no more."""
        self._client.close()

    def _ask(self, what: str, asked: Mapping[str, Any]) -> Any:
        answer = self._client.get(f"/api/v1/{what}", params=dict(asked))
        told = answer.json()
        if answer.status_code != httpx.codes.OK or told["status"] != "success":
            raise BadExpression(f"{asked.get('query', what)}: {told.get('error', answer.text)}")
        return told["data"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def config(targets: Mapping[str, Sequence[str]], rules: Path, kube_state_metrics: str) -> Config:
    """The laptop's configuration for the `targets` of each service, asked and evaluated each
    second, and with kube-state-metrics, which labels its series itself."""
    made = deepcopy(laptop())
    made["global"] = {"scrape_interval": EVERY, "evaluation_interval": EVERY}
    made["rule_files"] = [str(rules / "*.yaml")]
    for group in made["scrape_configs"][0]["static_configs"]:
        group["targets"] = list(targets[group["labels"]["service"]])
    made["scrape_configs"].append(
        {
            "job_name": "kube-state-metrics",
            "honor_labels": True,
            "static_configs": [{"targets": [kube_state_metrics]}],
        }
    )
    return made


def laptop() -> Config:
    """`docs/prometheus.yml`."""
    return cast(Config, yaml.safe_load(LAPTOP.read_text()))


def hurried(folder: Path) -> Path:
    """`folder` with the rules of the chart, none of which waits longer than the stage's second."""
    folder.mkdir()
    for file in sorted(RULES.glob("*.yaml")):
        told = yaml.safe_load(file.read_text())
        for group in told["groups"]:
            group.pop("interval", None)
        (folder / file.name).write_text(yaml.safe_dump(told, sort_keys=False, width=1000))
    return folder


def start(
    scratch: Scratch, targets: Mapping[str, Sequence[str]], kube_state_metrics: str
) -> Prometheus:
    """One that scrapes `targets`, ready to be asked: it has tried each of them, for it comes to
    know of one after the other. It ends with `scratch`."""
    assert SERVER is not None, ABSENT
    server = SERVER
    home = scratch.folder / "prometheus"
    home.mkdir()
    written = home / "prometheus.yml"
    made = config(targets, hurried(home / "rules"), kube_state_metrics)
    written.write_text(yaml.safe_dump(made, sort_keys=False))
    groups = [group for job in made["scrape_configs"] for group in job["static_configs"]]
    known = sum(len(group["targets"]) for group in groups)
    clients: list[Prometheus] = []

    def listen(port: int) -> None:
        child = scratch.spawn(
            "prometheus",
            [
                server,
                f"--config.file={written}",
                f"--storage.tsdb.path={home / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--enable-feature=exemplar-storage",
                "--log.level=warn",
            ],
            env={},
        )
        client = Prometheus(f"http://127.0.0.1:{port}")
        try:
            child.wait_until(
                lambda: client.is_ready() and len(client.instant("up")) == known, PATIENCE
            )
        except BaseException:
            client.close()
            raise
        clients.append(client)

    listen_somewhere(listen)
    return clients[0]


def _series(data: Any) -> list[Series]:
    match data["resultType"]:
        case "matrix":
            found = [(each["metric"], each["values"]) for each in data["result"]]
        case "vector":
            found = [(each["metric"], [each["value"]]) for each in data["result"]]
        case _:
            found = [({}, [data["result"]])]
    return [
        Series(labels, [(float(at), float(value)) for at, value in samples])
        for labels, samples in found
    ]
