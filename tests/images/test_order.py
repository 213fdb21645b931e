"""An order through both images, from an empty database to an orderly end."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from services.cli.ports import free_port
from services.cli.scratch import Scratch
from tests.e2e.engine import FAST, HOST, STORY, Engine, Service, an_engine, seqs, statuses, story
from tests.images.building import Image
from tests.images.running import Container, run

MIGRATE = ["python", "-m", "services.worker.migrate"]
PREFIXES = {"api": "API", "worker": "WORKER_PROBE"}
NORMAL, LEAVING = 1000, timedelta(seconds=10)


@pytest.fixture
async def engine(
    images: dict[str, Image], empty_database_url: str, redis_url: str
) -> AsyncIterator[Engine]:
    """The servers, and a client. No process of the engine runs yet, and there are no tables."""
    async with an_engine(empty_database_url, redis_url) as made:
        yield made


async def started(engine: Engine, scratch: Scratch, image: Image) -> Container:
    """The image's service, ready; the engine's client talks to it if it is the API."""
    prefix, port = PREFIXES[image.kind], str(free_port())
    settings = {"DATABASE_URL": engine.database_url, "REDIS_URL": engine.redis_url}
    address = {f"{prefix}_HOST": HOST, f"{prefix}_PORT": port}
    container = run(scratch, image, **settings, **address, **FAST)
    service = await Service(container.child, f"http://{HOST}:{port}").ready()
    if image.kind == "api":
        engine.client.base_url = httpx.URL(service.url)
    return container


async def migrated(engine: Engine, scratch: Scratch, images: dict[str, Image]) -> str:
    """What the migration says."""
    container = run(scratch, images["worker"], MIGRATE, DATABASE_URL=engine.database_url)
    assert await container.ended() == 0, container.log
    return container.log


async def test_an_order_runs_through_both_images_and_sigterm_ends_them_with_zero(
    engine: Engine, scratch: Scratch, images: dict[str, Image]
) -> None:
    assert await migrated(engine, scratch, images) == "orders.0001_orders\norders.0002_indexes\n"
    assert await migrated(engine, scratch, images) == "nothing to do\n"
    api = await started(engine, scratch, images["api"])
    worker = await started(engine, scratch, images["worker"])

    order_id = await engine.place()
    async with engine.stream(order_id) as socket:
        steps, code = await story(socket)
    for container in (api, worker):
        container.terminate()
    ended = [await container.ended(LEAVING) for container in (api, worker)]

    assert statuses(steps) == STORY
    assert seqs(steps) == [1, 2, 3, 4, 5]
    assert code == NORMAL
    assert ended == [0, 0], api.log + worker.log


async def test_they_need_no_privilege_and_write_nowhere_but_tmp(
    engine: Engine, scratch: Scratch, images: dict[str, Image]
) -> None:
    await migrated(engine, scratch, images)

    for image in images.values():
        container = await started(engine, scratch, image)
        status, mounts = container.status, container.mounts

        assert status["Name"] == ["python"]
        assert status["NSpid"][1:] == ["1"]
        assert status["Uid"] == ["10001"] * 4
        assert status["Gid"] == ["10001"] * 4
        assert status["Groups"] == []
        assert status["CapEff"] == ["0" * 16]
        assert status["NoNewPrivs"] == ["1"]
        assert (mounts["/"], mounts["/tmp"]) == ("ro", "rw")
