"""The worker's probes, served on its own event loop: if that is stuck, they do not answer."""

from typing import Any

from sanic import Blueprint, Sanic


class ProbeServer:
    """Serves `routes` over HTTP between `start` and `stop`."""

    def __init__(self, routes: Blueprint, *, host: str, port: int) -> None:
        self._app = Sanic("order-engine-worker", configure_logging=False)
        self._app.config.update(ACCESS_LOG=False, AUTO_EXTEND=False)
        self._app.blueprint(routes)
        self._host = host
        self._port = port
        self._server: Any = None  # Sanic's AsyncioServer, which is not typed

    async def start(self) -> None:
        """Listen. Raises `OSError` when the port is taken."""
        self._server = await listen(self._app, host=self._host, port=self._port)

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is None:
            return
        for connection in self._server.connections:
            connection.close_if_idle()
        closed = self._server.close()
        if closed:
            await closed


async def listen(app: Sanic[Any, Any], *, host: str, port: int) -> Any:
    """Serve `app` on this loop, and answer the server. Raises `OSError` when the port is taken."""
    server: Any = await app.create_server(host=host, port=port)
    await server.startup()
    await server.before_start()
    await server.after_start()
    await server.start_serving()
    return server
