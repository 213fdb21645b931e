"""How the processes can be started, and what they say when they cannot."""

from datetime import timedelta

import httpx
import pytest

from services.cli.ports import free_port
from tests.e2e.engine import HOST, Engine

BAD = [
    ("LEASE_SECONDS", "soon"),
    ("HEARTBEAT_SECONDS", "4"),  # more than half of a lease, 5 s
    ("DATABASE_URL", "postgresql://somewhere:port/name"),
    ("REDIS_URL", "redis://somewhere:port/0"),
    ("REDIS_URL", "redis://somewhere/0?no_such_option=1"),
]
OF_ONE = {"api": ("API_PORT", "70000"), "worker": ("VENUES", "nowhere")}


async def test_the_taskiq_command_line_works_and_stops(engine: Engine) -> None:
    await engine.api()
    command = "taskiq worker services.worker.app:create_broker --workers 1"
    worker = await engine.start("worker", command).ready()

    order_id = await engine.place()
    await engine.until(order_id, "confirmed")
    worker.child.ask_to_stop()

    assert await worker.ended(timedelta(seconds=10)) == 0
    await engine.queue_empty()


async def test_the_sanic_command_line_works_and_stops(engine: Engine) -> None:
    await engine.worker()
    port = str(free_port())
    command = "sanic services.api.app:create_app --factory --single-process"
    api = engine.start("api", f"{command} --host {HOST} --port {port}", API_PORT=port)
    await api.ready()
    engine.client.base_url = httpx.URL(api.url)

    order_id = await engine.place()
    await engine.until(order_id, "confirmed")
    api.child.ask_to_stop()

    assert await api.ended(timedelta(seconds=10)) == 0


@pytest.mark.parametrize("kind", ["api", "worker"])
async def test_a_setting_that_makes_no_sense_is_named_in_one_line(
    engine: Engine, kind: str
) -> None:
    bad = [*BAD, OF_ONE[kind]]
    started = [engine.start(kind, **{name: value}) for name, value in bad]

    for service, (name, _) in zip(started, bad, strict=True):
        assert await service.ended() == 2, service.log
        assert service.log.count("\n") == 1, service.log
        assert service.log.startswith(f"order-engine {kind}: {name}: expects "), service.log
