"""Places an order with the API."""

from dataclasses import dataclass

import httpx

from services.cli.errors import CliError


@dataclass(frozen=True)
class NewOrder:
    """Amounts are in the token's smallest unit; digits, so that none is lost on the way."""

    sell: str
    buy: str
    amount: str
    slippage_bps: int | None = None
    min_out: str | None = None
    client_order_id: str | None = None

    @property
    def pair(self) -> str:
        return f"{self.sell}->{self.buy}"

    def body(self) -> dict[str, str | int]:
        fields = {
            "inputMint": self.sell,
            "outputMint": self.buy,
            "amountIn": self.amount,
            "slippageBps": self.slippage_bps,
            "minOut": self.min_out,
            "clientOrderId": self.client_order_id,
        }
        return {name: value for name, value in fields.items() if value is not None}


async def place(url: str, order: NewOrder, *, idempotency_key: str | None = None) -> str:
    """The order's id. After a broken connection it may have been placed: repeat with the key."""
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=is_remote(url)) as http:
            answer = await http.post("/api/orders/execute", json=order.body(), headers=headers)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise CliError(f"no answer from {url}: {str(error) or type(error).__name__}") from error
    if answer.status_code != httpx.codes.CREATED:
        raise CliError(_problem(answer))
    return str(answer.json()["orderId"])


def _problem(answer: httpx.Response) -> str:
    """The API's own words, if it was the API that answered."""
    try:
        problem = answer.json()
        errors = [f"  {each['pointer']}: {each['message']}" for each in problem.get("errors") or ()]
        return "\n".join([f"{problem['title']}: {problem['detail']}", *errors])
    except (ValueError, LookupError, TypeError, AttributeError):
        return f"unexpected answer {answer.status_code}: {answer.text[:500]}"


def is_remote(url: str) -> bool:
    """A proxy from the environment is for the world, not for this machine."""
    return httpx.URL(url).host not in {"127.0.0.1", "localhost", "::1"}
