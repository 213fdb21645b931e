"""What clients will want, and how they will behave, drawn from a seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random

import msgspec

from orders.domain.tokens import KNOWN

NAMES = tuple(token.symbol for token in KNOWN if token.symbol != "mSOL")
LEAST, MOST = 10**3, 10**8
"""Smallest units sold: from next to nothing, which may be worth no unit of the other token."""
UNPAYABLE = 10**15
"""A `minOut` that no venue meets."""
LATEST = timedelta(seconds=5)
"""How long after its order is accepted a subscriber may come."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """A subscriber: how long after the acceptance it comes, and the first step it asks for."""

    after: timedelta
    from_seq: int


@dataclass(frozen=True, slots=True)
class Wish:
    """One order that somebody wants, and how they ask for it."""

    number: int
    body: bytes
    key: str | None
    client_order_id: str | None
    copies: int = 1
    """How often it is asked for at once, with the same key."""
    hang_up: timedelta | None = None
    """How long the first request is waited for, if its client hangs up on purpose."""
    asks_again: bool = False
    """Whether the client asks again after an unknown outcome or a 503."""
    watchers: tuple[Watcher, ...] = ()


def wishes(seed: int, orders: int) -> Iterator[Wish]:
    """The same wishes for the same seed."""
    dice = Random(f"wishes {seed}")
    for number in range(orders):
        yield _wish(dice, number, f"{seed}-{number}")


def _wish(dice: Random, number: int, name: str) -> Wish:
    """90 % of wishes have both kinds of key, 5 % one of either, and 1 % none at all.

    Who hangs up is to be found by a client order id; who has only a key always asks again.
    """
    kind = dice.random()
    key = name if kind < 0.94 else None
    client_order_id = name if kind < 0.90 or 0.94 <= kind < 0.99 else None
    hangs_up, repeats = dice.random() < 0.05, dice.random() < 0.03
    return Wish(
        number,
        msgspec.json.encode(_body(dice, client_order_id)),
        key,
        client_order_id,
        copies=dice.randint(2, 5) if repeats and kind < 0.99 else 1,
        hang_up=_moment(dice) if hangs_up and client_order_id else None,
        asks_again=kind < 0.99 and (client_order_id is None or dice.random() < 2 / 3),
        watchers=_watchers(dice),
    )


def _body(dice: Random, client_order_id: str | None) -> dict[str, str | int]:
    sell, buy = dice.sample(NAMES, 2)
    amount = int(LEAST * (MOST / LEAST) ** dice.random()) | 1
    body: dict[str, str | int] = {"inputMint": sell, "outputMint": buy, "amountIn": amount}
    if dice.random() < 0.5:
        body["amountIn"] = str(amount)
    if dice.random() < 0.6:
        body["slippageBps"] = dice.randint(0, 100)
    if dice.random() < 0.1:
        body["minOut"] = str(UNPAYABLE if dice.random() < 0.1 else 1)
    if client_order_id is not None:
        body["clientOrderId"] = client_order_id
    return body


def _moment(dice: Random) -> timedelta:
    return timedelta(milliseconds=dice.uniform(0.5, 30))


def _watchers(dice: Random) -> tuple[Watcher, ...]:
    """30 % of orders are watched, by one or a few; one in ten asks for a later step first."""
    if dice.random() >= 0.3:
        return ()
    return tuple(
        Watcher(LATEST * dice.random(), dice.randint(2, 6) if dice.random() < 0.1 else 1)
        for _ in range(dice.choice((1, 1, 1, 2, 3)))
    )
