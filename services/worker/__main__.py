"""`python -m services.worker`: one worker process.

taskiq's own command line puts a manager before its worker; a manager that is killed leaves an
orphan behind, and it hears of a signal only once a second. So its receiver is run right here.
`taskiq worker services.worker.app:create_broker --workers 1` works as well.
"""

import asyncio
import signal
import sys

import uvloop

from orders import leaving
from orders.broker import StreamBroker
from orders.cancelling import end
from orders.settings import BadSetting, Settings
from services.worker.app import create_broker
from services.worker.receiver import LeanReceiver


def main() -> None:
    """Work until SIGTERM or SIGINT. Exits 2 when a setting makes no sense."""
    try:
        settings = Settings.read()
        broker = create_broker(settings)
    except BadSetting as wrong:
        print(f"order-engine worker: {wrong}", file=sys.stderr)
        sys.exit(2)
    uvloop.run(work(settings, broker))


async def work(settings: Settings, broker: StreamBroker) -> None:
    """Take hints until told to stop; then finish what is held, or hand it over."""
    broker.is_worker_process = True
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        leaving.within(settings.drain_seconds + settings.shutdown_seconds)

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop)
    receiver = LeanReceiver(
        broker,
        max_async_tasks=settings.worker_concurrency,
        run_startup=False,
        wait_tasks_timeout=settings.drain_seconds.total_seconds(),
    )
    try:
        if await _started(broker, stopping):
            await receiver.listen(stopping)
    finally:
        await broker.shutdown()


async def _started(broker: StreamBroker, stopping: asyncio.Event) -> bool:
    """Whether the broker is up; not if told to stop while it waits for what it needs."""
    starting, told = (asyncio.ensure_future(each) for each in (broker.startup(), stopping.wait()))
    await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if starting.done():
        starting.result()
        return True
    await end([starting])
    return False


if __name__ == "__main__":
    main()
