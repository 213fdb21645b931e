"""`up`: runs the engine until it is told to stop."""

import time

from services.cli.local import Engine, engine
from services.cli.ports import free_port, is_free
from services.cli.stream import stream_url

ORDER = '{"inputMint":"SOL","outputMint":"USDC","amountIn":1000000000}'
PAUSE = 0.3  # seconds


def run(port: int) -> int:
    """The worker's metrics are one port above the API, if that is free.

    Ends with 0 when told to stop; raises `Died` when a process of the engine ends by itself.
    """
    if not is_free(port):
        taken, port = port, free_port()
        print(f"Port {taken} is taken, so the API listens on {port}.")
    try:
        above = port + 1 if port < 65535 and is_free(port + 1) else None
        with engine(api_port=port, worker_port=above) as running:
            print(_welcome(running), flush=True)
            while True:
                running.check()
                time.sleep(PAUSE)
    except KeyboardInterrupt:
        print("Stopped.")
        return 0


def _welcome(running: Engine) -> str:
    api = running.api_url
    return f"""
The engine is up. Ctrl-C stops it and removes its data.

  API            {api}/api/orders
  docs           {api}/docs
  metrics        {api}/metrics (API)
                 {running.worker_url}/metrics (worker)
  DATABASE_URL   {running.database_url}
  REDIS_URL      {running.redis_url}
  logs           {running.folder}/api.log and worker.log

Place an order:

  curl -s {api}/api/orders/execute -H 'Content-Type: application/json' -d '{ORDER}'

Follow it, with the orderId from the answer (any WebSocket client does: {stream_url(api)}/ORDER_ID):

  .venv/bin/python -m services.cli watch ORDER_ID --url {api}

Watch the engine:

  .venv/bin/python -m services.cli top --api {api} --worker {running.worker_url}

Or both at once:

  .venv/bin/python -m services.cli submit SOL USDC 1000000000 --watch --url {api}
"""
