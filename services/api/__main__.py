"""`python -m services.api`: one API process."""

import sys

from orders.settings import BadSetting, Settings
from services.api.app import App, create_app


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
    app.run(
        host=settings.api_host,
        port=settings.api_port,
        single_process=True,
        access_log=False,
        motd=False,
    )


if __name__ == "__main__":
    main()
