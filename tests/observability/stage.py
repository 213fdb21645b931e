"""The stage: a whole engine on real servers, watched by a real Prometheus, all of it our own."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from orders.store.migrate import migrate
from services.cli.ports import free_port
from services.cli.scratch import Scratch
from services.cli.servers import Servers, servers
from tests.e2e.engine import Engine, Service
from tests.observability import prometheus
from tests.observability.kube_state_metrics import Workload, exporter
from tests.observability.prometheus import Prometheus

T = TypeVar("T")

WORKERS = 2
MOST_WORKERS = 4
SETTINGS = {
    "LOG_LEVEL": "WARNING",
    "WORKER_CONCURRENCY": "8",
    "LEASE_SECONDS": "2.5",
    "HEARTBEAT_SECONDS": "0.4",
    "SWEEP_SECONDS": "0.4",
    "BACKSTOP_SECONDS": "1",
    "QUOTE_TIMEOUT_SECONDS": "0.5",
    "RETRY_BASE_SECONDS": "0.2",
    "RETRY_CAP_SECONDS": "1",
    "RETRY_TRIES": "3",
    "SLOW_CONSUMER_SECONDS": "0.5",
    "PAPER_QUOTE_LATENCY_MS": "5-60",
    "PAPER_EXECUTION_LATENCY_MS": "100-500",
    "PAPER_FAILURE_RATE": "0.05",
    "PAPER_SEED": "7",
}
"""Short waits, so that everything happens soon. With this seed each venue wins some pairs."""


@dataclass
class Stage:
    """What stands on it. `act` plays something, once."""

    servers: Servers
    scratch: Scratch
    ports: dict[str, list[int]]
    prometheus: Prometheus = field(init=False)
    workers: list[Service] = field(default_factory=list)
    """By their place: one that comes back takes its own, with its port."""
    api: Service = field(init=False)
    orders: frozenset[str] = frozenset()
    """Every order that was stored, as the id of its trace."""
    start: float = 0
    end: float = 0
    """From when to when there is something to see, in Unix time."""

    async def open(self, engine: Engine) -> None:
        """Start the engine's processes."""
        await migrate(self.servers.database_url)
        self.workers = [self.worker(engine, place) for place in range(WORKERS)]
        port = str(self.ports["api"][0])
        self.api = await engine.api(**SETTINGS, API_PORT=port)
        await asyncio.gather(*(worker.ready() for worker in self.workers))

    def worker(self, engine: Engine, place: int) -> Service:
        """A worker that was started just now."""
        port = str(self.ports["worker"][place])
        command = "tests.observability.worker"
        return engine.start("worker", command, **SETTINGS, WORKER_PROBE_PORT=port)

    def running(self) -> int:
        """How many workers there are."""
        return sum(worker.child.is_running for worker in self.workers)

    def act(self, play: Callable[["Stage", Engine], Coroutine[Any, Any, T]]) -> T:
        """What `play` answers, which is given the engine. The engine's processes stay."""

        async def played() -> T:
            engine = Engine(self.scratch, self.servers.database_url, self.servers.redis_url)
            try:
                if not self.workers:
                    await self.open(engine)
                return await play(self, engine)
            finally:
                await engine.client.aclose()
                await engine.redis.aclose()

        return asyncio.run(played())


@contextmanager
def stage() -> Iterator[Stage]:
    """An empty one: `act` starts the engine. Nothing is left of it afterwards."""
    ports = {"api": [free_port()], "worker": [free_port() for _ in range(WORKERS)]}
    targets = {
        service: [f"127.0.0.1:{port}" for port in its_ports] for service, its_ports in ports.items()
    }
    with ExitStack() as stack:
        backing = stack.enter_context(servers(postgres_settings={"fsync": "off"}))
        made = Stage(backing, stack.enter_context(Scratch()), ports)
        labels = prometheus.laptop()["scrape_configs"][0]["static_configs"][0]["labels"]
        name = f"{labels['release']}-order-engine"
        address = stack.enter_context(
            exporter(
                labels["namespace"],
                Workload(f"{name}-api", wanted=lambda: 1, running=lambda: 1),
                Workload(
                    f"{name}-worker",
                    wanted=lambda: WORKERS,
                    running=made.running,
                    autoscaler=f"keda-hpa-{name}-worker",
                    most=MOST_WORKERS,
                ),
            )
        )
        made.prometheus = prometheus.start(made.scratch, targets, address)
        stack.callback(made.prometheus.close)
        yield made
