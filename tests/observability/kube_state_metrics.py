"""A stand-in for kube-state-metrics, since there is no cluster: the series that dashboards and
alerts read, named and labelled as its documentation has them, with the stage's true numbers.

Source: kube-state-metrics, docs/metrics/workload/deployment-metrics.md and
horizontalpodautoscaler-metrics.md.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass(frozen=True)
class Workload:
    """A deployment, and the autoscaler's limits if it has one."""

    deployment: str
    wanted: Callable[[], int]
    running: Callable[[], int]
    autoscaler: str = ""
    least: int = 1
    most: int = 1


@contextmanager
def exporter(namespace: str, *workloads: Workload) -> Iterator[str]:
    """Its address, as Prometheus is told it. It tells the numbers of the moment."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = "".join(_lines(namespace, workloads)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


def _lines(namespace: str, workloads: tuple[Workload, ...]) -> Iterator[str]:
    for workload in workloads:
        wanted, running = workload.wanted(), workload.running()
        deployment = f'namespace="{namespace}",deployment="{workload.deployment}"'
        yield f"kube_deployment_spec_replicas{{{deployment}}} {wanted}\n"
        yield f"kube_deployment_status_replicas{{{deployment}}} {running}\n"
        yield f"kube_deployment_status_replicas_available{{{deployment}}} {running}\n"
        if not workload.autoscaler:
            continue
        autoscaler = f'namespace="{namespace}",horizontalpodautoscaler="{workload.autoscaler}"'
        prefix = "kube_horizontalpodautoscaler"
        yield f"{prefix}_spec_min_replicas{{{autoscaler}}} {workload.least}\n"
        yield f"{prefix}_spec_max_replicas{{{autoscaler}}} {workload.most}\n"
        yield f"{prefix}_status_desired_replicas{{{autoscaler}}} {wanted}\n"
        yield f"{prefix}_status_current_replicas{{{autoscaler}}} {running}\n"
