"""Places a real order with a running Order Engine, and reads its whole stream. For `helm test`.

Needs Python and nothing else. Reads from the environment ORDER_ENGINE_URL (http://127.0.0.1:8000),
ORDER (JSON; a little SOL to USDC) and TIMEOUT_SECONDS (60). Prints a line a step. Exits with 0 if
all was as promised, else with 1 and the reason.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from websocket import Broken, Reader

SMALL = '{"inputMint": "SOL", "outputMint": "USDC", "amountIn": "1000000"}'
NEXT = {
    None: {"received"},
    "received": {"routing", "failed"},
    "routing": {"building", "routing", "failed"},
    "building": {"submitted", "building", "routing", "failed"},
    "submitted": {"confirmed", "submitted", "routing", "failed"},
    "confirmed": set(),
    "failed": set(),
}
"""The statuses that may follow each; None is before the first."""
RETRYABLE = (429, 503)
PAUSE = 0.5  # seconds between two tries
NORMAL = 1000  # RFC 6455's code for a stream that is over

Json = dict[str, Any]


class Failed(Exception):
    """The engine did not keep a promise. Its text says which."""


def main(environment: Mapping[str, str] = os.environ) -> int:
    url = environment.get("ORDER_ENGINE_URL", "http://127.0.0.1:8000").rstrip("/")
    order = json.loads(environment.get("ORDER") or SMALL)
    deadline = time.monotonic() + float(environment.get("TIMEOUT_SECONDS", "60"))
    try:
        told = place(url, order, deadline)
        print(f"placed     {told}", flush=True)
        follow(url, told, deadline)
    except (Failed, Broken, OSError, ValueError) as failure:
        print(f"FAILED: {failure}", file=sys.stderr, flush=True)
        return 1
    print("all as promised")
    return 0


def place(url: str, order: Json, deadline: float) -> str:
    """The id of a new order. Asked again while nobody answers, with one key: so it is one order."""
    key = f"helm-test-{uuid4()}"
    while True:
        try:
            status, body = _post(url, json.dumps(order), key, deadline)
        except (OSError, HTTPException) as failure:
            status, body = None, repr(failure)
        if status == 201:
            return str(json.loads(body)["orderId"])
        if status not in (None, *RETRYABLE):
            raise Failed(f"the order was answered with {status}: {body}")
        if time.monotonic() + PAUSE > deadline:
            raise Failed(f"no order could be placed at {url}: {status or 'no answer'}, {body}")
        time.sleep(PAUSE)


def _post(url: str, body: str, key: str, deadline: float) -> tuple[int, str]:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.netloc, timeout=max(0.001, deadline - time.monotonic()))
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    try:
        connection.request("POST", f"{parts.path}/api/orders/execute", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def follow(url: str, order_id: str, deadline: float) -> None:
    """Read the stream to its end, a line a step. Raises `Failed` at the first that is wrong."""
    reader = Reader(f"{url}/api/orders/stream/{order_id}", deadline)
    last: Json = {"seq": 0, "status": None}
    try:
        for text in reader:
            step = json.loads(text)
            if step.get("type") == "heartbeat":
                continue
            check(last, step, order_id)
            print(f"{step['status']:<10} seq {step['seq']}", flush=True)
            last = step
    finally:
        reader.close()
    if last["status"] != "confirmed":
        raise Failed(f"the order ended as {last['status']}: {json.dumps(last.get('error'))}")
    if reader.code != NORMAL:
        raise Failed(f"the stream was closed with {reader.code}, not with {NORMAL}")


def check(last: Json, step: Json, order_id: str) -> None:
    """Raise `Failed` unless `step` may follow `last` in that order's stream."""
    if step.get("orderId") != order_id:
        raise Failed(f"a step of another order was told: {step.get('orderId')}")
    if step.get("seq") != last["seq"] + 1:
        raise Failed(f"seq {step.get('seq')} follows {last['seq']}")
    if step.get("status") not in NEXT[last["status"]]:
        raise Failed(f"{step.get('status')} follows {last['status'] or 'nothing'}")
    if step.get("final", False) != (step["status"] in ("confirmed", "failed")):
        raise Failed(f"{step['status']} says final: {step.get('final', False)}")


if __name__ == "__main__":
    sys.exit(main())
