"""How a step of an order reads in a terminal."""

from collections.abc import Mapping
from typing import Any

from services.cli.stream import Step


def offer(step: Step) -> Mapping[str, Any]:
    """What the step says about venue and price: its result, else its route, else nothing."""
    found: Mapping[str, Any] = step.get("result") or step.get("route") or {}
    return found


def details(step: Step) -> str:
    """What the step adds to its status; may be empty."""
    error = step.get("error")
    if error:
        return f"{error['code']}: {error['detail']}"
    told = offer(step)
    named = {
        "dex": told.get("dex"),
        "expected": told.get("expectedOut"),
        "least": told.get("minOut"),
        "got": told.get("actualOut"),
        "tx": told.get("txHash"),
    }
    parts = [f"{name} {value}" for name, value in named.items() if value is not None]
    if step.get("attempt", 1) > 1:
        parts.insert(0, f"attempt {step['attempt']}")
    return "  ".join(parts)
