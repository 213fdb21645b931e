"""Accepting an order: stored first, then told. The answer is given only for what is durable."""

from collections.abc import Callable
from hashlib import blake2b

import msgspec

from orders import observe
from orders.domain.amounts import Amount
from orders.domain.ids import uuid7
from orders.domain.order import Order
from orders.ports import Added, Clock, Feed, Hint, Key, KeyKind, Queue, Store


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A valid wish to swap, in canonical values: mints as addresses, amounts as integers."""

    owner: str
    input_mint: str
    output_mint: str
    amount_in: int
    slippage_bps: int
    min_out: int | None = None
    client_order_id: str | None = None

    @property
    def fingerprint(self) -> str:
        """What makes two requests the same, whatever their spelling."""
        return blake2b(msgspec.json.encode(self), digest_size=16).hexdigest()


class Placement:
    """Turns requests into orders. `random_bits` draws that many random bits."""

    def __init__(
        self,
        *,
        store: Store,
        queue: Queue,
        feed: Feed,
        clock: Clock,
        random_bits: Callable[[int], int],
    ) -> None:
        self._store = store
        self._queue = queue
        self._feed = feed
        self._clock = clock
        self._random_bits = random_bits

    async def place(self, request: Request, idempotency_key: str | None = None) -> Added:
        """Store the order, then hint the workers. Safe to repeat with a key.

        Raises `KeyReused`, and `StoreUnavailable` when it is not known whether the order
        was stored. A hint that is lost, with this process or with the queue, is made up
        for by the sweep.
        """
        keys = []
        if idempotency_key is not None:
            keys.append(Key(KeyKind.IDEMPOTENCY_KEY, idempotency_key))
        if request.client_order_id is not None:
            keys.append(Key(KeyKind.CLIENT_ORDER_ID, request.client_order_id))
        fingerprint = request.fingerprint if keys else ""
        added = await self._store.add(self._order(request), keys, fingerprint)
        if added.replayed:
            observe.replayed(added.order)
        else:
            self._tell(added.order)
        return added

    def _order(self, request: Request) -> Order:
        return Order(
            id=uuid7(self._clock.now(), self._random_bits(74)),
            owner=request.owner,
            client_order_id=request.client_order_id,
            input_mint=request.input_mint,
            output_mint=request.output_mint,
            amount_in=Amount(request.amount_in),
            slippage_bps=request.slippage_bps,
            min_out=None if request.min_out is None else Amount(request.min_out),
        )

    def _tell(self, order: Order) -> None:
        assert order.created_at is not None, "the store answers with its own time"
        self._queue.enqueue([Hint(order.id, order.created_at)])
        self._feed.publish(order)
        observe.moved(order, since=None)
