"""`python -m services.api`: one API process."""

import os
import signal
import sys
from datetime import timedelta

from orders import leaving
from orders.settings import BadSetting, Settings
from services.api.app import GRACE, App, create_app

CLOSING = timedelta(seconds=1)
"""How long an API may take to disconnect, once its requests have had their `GRACE`."""


def main() -> None:
    """Serve until SIGTERM or SIGINT. Exits 2 when a setting makes no sense."""
    try:
        settings = Settings.read()
    except BadSetting as wrong:
        print(f"order-engine api: {wrong}", file=sys.stderr)
        sys.exit(2)
    serve(settings, create_app(settings))


def serve(settings: Settings, app: App) -> None:
    """Serve `app` in this process until told to stop."""
    # Until Sanic listens to signals, and PID 1 of a container hears of none by itself.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

    @app.before_server_stop
    async def stop(_: App) -> None:
        leaving.within(GRACE + CLOSING)

    app.run(
        host=settings.api_host,
        port=settings.api_port,
        single_process=True,
        access_log=False,
        motd=False,
    )


if __name__ == "__main__":
    main()
