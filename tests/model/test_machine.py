"""The engine as a state machine: rules in any order, and the invariants after every one.

Deliveries are advanced by a bounded number of callbacks, so that most rules meet some of them in
the middle of a call. Orders cannot be cancelled, triggered or halted yet: those rules come with
the order types that have them.

Examples are derandomised: a red run is then the commit's doing and comes back when it is run
again. New ground is covered by the seeds of `MODEL_EXAMPLES=1000 pytest tests/model`, which is
random, and by the simulation.
"""

import os
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from random import Random
from typing import TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orders.domain.errors import (
    Expired,
    FailureCode,
    KeyReused,
    Refused,
    StoreUnavailable,
    Transient,
    Unknown,
)
from orders.domain.quote import Reverted
from orders.placement import Request
from orders.ports import Added
from tests.factories import SOL, USDC
from tests.model import mutations
from tests.model.fate import ANSWER, REQUEST, Calm, Destiny, Trip, View
from tests.model.processes import Api, Worker
from tests.model.world import Engine, World

T = TypeVar("T")
D = TypeVar("D")

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "0"))
NO_MONEY = Reverted(FailureCode.INSUFFICIENT_FUNDS, "no money")
SLIPPED = Reverted(FailureCode.SLIPPAGE_EXCEEDED, "the price moved")

seconds = st.sampled_from((0.1, 0.5, 1.0, 2.5, 5.0, 20.0, 61.0))
picks = st.integers(0, 3)
amounts = st.integers(10_000, 10**12)
chores = st.sampled_from(("beat", "sweep", "sweep", "reconcile", "hand over", "drain"))
destinies = st.builds(
    Destiny,
    after=st.sampled_from((0.0, None, 0.5, 4.0, 30.0, 59.9, 60.1)),
    refusal=st.sampled_from((None, None, NO_MONEY, SLIPPED)),
    forks_after=st.sampled_from((None, None, 0.2, 0.9)),
)
losses = st.tuples(
    st.sampled_from(("store", "alpha", "beta")), st.sampled_from((REQUEST, ANSWER)), st.booleans()
)
views = st.builds(View, lag=st.sampled_from((0.0, 1.0, 15.0)), denies=st.booleans())
send_errors = st.sampled_from((Unknown("5xx"), Refused("already processed"), OSError()))
quote_errors = st.sampled_from((Transient("busy"), Refused("paused", FailureCode.NO_ROUTE)))
build_errors = st.sampled_from(
    (Transient("busy"), Expired("too old"), Refused("blocked"), ValueError())
)


class Script(Calm):
    """What the rules have said goes wrong next; then nothing."""

    def __init__(self) -> None:
        self.losses: deque[tuple[str, str, bool]] = deque()
        self.quote_errors: deque[Exception] = deque()
        self.build_errors: deque[Exception] = deque()
        self.send_errors: deque[Exception] = deque()
        self.destinies: deque[Destiny] = deque()
        self.views: deque[View] = deque()

    def trip(self, port: str, method: str) -> Trip:
        if self.losses and self.losses[0][0] == port:
            _, lost, hangs = self.losses.popleft()
            return Trip(lost=lost, hangs=hangs and port != "store")
        return Trip()

    def quote_error(self) -> Exception | None:
        return _next(self.quote_errors, None)

    def build_error(self) -> Exception | None:
        return _next(self.build_errors, None)

    def send_error(self) -> Exception | None:
        return _next(self.send_errors, None)

    def destiny(self) -> Destiny:
        return _next(self.destinies, Destiny())

    def view(self) -> View:
        return _next(self.views, View())

    def reaches(self) -> bool:
        """What a dead worker had not yet delivered never arrives."""
        return False

    def end(self) -> None:
        """Nothing goes wrong any more."""
        for trouble in vars(self).values():
            trouble.clear()


class Orders(RuleBasedStateMachine):
    """The real engine on fakes, and beside it a dict of what clients were promised."""

    engine = Engine()

    def __init__(self) -> None:
        super().__init__()
        self.script = Script()
        self.workers: list[Worker] = []
        self.world = World(Random(0), self.script, self.engine, traces=False)
        self.world.delivers = False
        self.api = Api(self.world)
        self.promised: dict[str, UUID] = {}
        self.wanted: dict[str, Request] = {}

    @initialize(
        amounts=st.lists(amounts, min_size=1, max_size=3),
        destined=st.lists(destinies, max_size=4),
        views=st.lists(views, max_size=8),
    )
    def start(self, amounts: list[int], destined: list[Destiny], views: list[View]) -> None:
        """Two workers, a few orders for them, and what becomes of the first trades."""
        self.script.destinies.extend(destined)
        self.script.views.extend(views)
        for _ in range(2):
            self.start_a_worker()
        for key, amount in enumerate(amounts):
            self.place(f"key-{key}", a_request(amount, 50))

    def teardown(self) -> None:
        """Once the faults end, sweeps alone bring every order to its end."""
        self.script.end()
        world = self.world
        world.store.unavailable = world.queue.unreachable = False
        world.delivers = True
        for worker in self.alive:
            world.loop.resume(worker.process)
        self.workers.append(Worker(world))
        try:
            for _ in range(60):
                world.loop.advance(10)
                if world.is_settled:
                    break
            world.judge.check_end()
            self.everything_holds()
            for order_id in self.promised.values():
                assert world.judge.stories[order_id][-1].is_final
        finally:
            world.loop.close()

    @invariant()
    def everything_holds(self) -> None:
        self.world.check()
        assert self.world.judge.violations == []

    # -- clients

    @rule(key=picks, amount=amounts, slippage=st.sampled_from((0, 50, 1000)))
    def submit(self, key: int, amount: int, slippage: int) -> None:
        """A new wish, or another one under a key that was used before."""
        self.place(f"key-{key}", a_request(amount, slippage))

    @rule(pick=picks)
    def submit_again(self, pick: int) -> None:
        key = _pick(list(self.wanted), pick)
        self.place(key, self.wanted[key])

    def place(self, key: str, request: Request) -> None:
        world = self.world
        placing = world.loop.spawn(self.api.process, self.api.placement.place(request, key))
        while not placing.done():
            assert world.loop.turn()
        known = self.wanted.get(key)
        try:
            added: Added = placing.result()
        except StoreUnavailable:
            return  # the client does not know, and may ask again
        except KeyReused:
            assert known not in (None, request) or key not in self.promised
            return
        assert known in (None, request) or key not in self.promised
        self.wanted.setdefault(key, request)
        assert self.promised.setdefault(key, added.order.id) == added.order.id
        world.judge.answered(key, added.order.id)

    # -- workers

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers if not worker.process.is_dead]

    def start_a_worker(self) -> None:
        self.workers.append(Worker(self.world, is_alone=True))

    @precondition(lambda self: self.world.queue.hints)
    @rule(worker=picks, hint=picks, again=st.booleans(), turns=st.integers(0, 40))
    def deliver(self, worker: int, hint: int, again: bool, turns: int) -> None:
        """Out of order, and with `again` not for the last time."""
        taken = _pick(self.world.queue.hints, hint)
        if not again:
            self.world.queue.hints.remove(taken)
        _pick(self.alive, worker).deliver(taken.order_id)
        self.go_on(turns)

    @rule(worker=picks, order=picks, turns=st.integers(0, 40))
    def deliver_unasked(self, worker: int, order: int, turns: int) -> None:
        """A hint that was kept somewhere, for any order there is."""
        _pick(self.alive, worker).deliver(_pick(list(self.world.judge.stories), order))
        self.go_on(turns)

    @rule(turns=st.integers(1, 40))
    def go_on(self, turns: int) -> None:
        """Let everybody go on a little."""
        for _ in range(turns):
            self.world.loop.turn()

    @rule(length=seconds)
    def let_time_pass(self, length: float) -> None:
        """Nobody beats meanwhile, so leases run out in the hands of their workers."""
        self.world.loop.advance(length)

    @rule(worker=picks)
    def crash(self, worker: int) -> None:
        """Another is started in its place."""
        self.world.loop.kill(_pick(self.alive, worker).process)
        self.start_a_worker()

    @rule(worker=picks)
    def pause(self, worker: int) -> None:
        """Whatever it was about to do it does late."""
        self.world.loop.pause(_pick(self.alive, worker).process)

    @rule()
    def resume_all(self) -> None:
        for worker in self.alive:
            self.world.loop.resume(worker.process)

    @rule(worker=picks, chore=chores)
    def do_a_chore(self, worker: int, chore: str) -> None:
        chosen = _pick(self.alive, worker)
        chores: dict[str, Callable[[], Awaitable[object]]] = {
            "beat": chosen.leases.beat,
            "sweep": chosen.recovery.sweep,
            "reconcile": partial(chosen.recovery.reconcile, chosen.execution.run, 2),
            "hand over": chosen.leases.hand_over,
            "drain": chosen.stop,
        }

        async def trying() -> None:
            with suppress(StoreUnavailable):
                await chores[chore]()

        chosen.spawn(trying)
        self.go_on(12)
        if len(self.alive) < 2:
            self.start_a_worker()

    # -- servers and venues

    @rule(how=st.sampled_from(("lost", "doubled", "unreachable", "reachable")))
    def trouble_the_queue(self, how: str) -> None:
        queue = self.world.queue
        match how:
            case "lost":
                queue.lose_all()
            case "doubled":
                queue.hints += queue.hints
            case _:
                queue.unreachable = how == "unreachable"

    @rule(is_away=st.booleans())
    def trouble_the_store(self, is_away: bool) -> None:
        self.world.store.unavailable = is_away

    @rule()
    def lose_a_step_of_the_feed(self) -> None:
        self.world.feed.lose_next()

    @rule(loss=losses)
    def lose_a_call(self, loss: tuple[str, str, bool]) -> None:
        """The next one to a server, on its way there or back."""
        self.script.losses.append(loss)

    @rule(destiny=destinies)
    def choose_the_destiny_of_the_next_trade(self, destiny: Destiny) -> None:
        """It lands now, later, too late or never, or is refused, or its block is abandoned."""
        self.script.destinies.append(destiny)

    @rule(quote=quote_errors, build=build_errors, send=send_errors, which=st.integers(0, 2))
    def fail_a_call(self, quote: Exception, build: Exception, send: Exception, which: int) -> None:
        """Both venues' quotes, or the next build, or the next send after it was taken in."""
        errors = (
            (self.script.quote_errors, (quote, quote)),
            (self.script.build_errors, (build,)),
            (self.script.send_errors, (send,)),
        )
        queue, raised = errors[which]
        queue.extend(raised)

    @rule(view=views, times=st.integers(1, 3))
    def answer_from_another_node(self, view: View, times: int) -> None:
        self.script.views.extend([view] * times)

    @rule(dex=st.sampled_from(("alpha", "beta")), price=st.sampled_from((900, 996, 1_000, 1_100)))
    def move_the_price(self, dex: str, price: int) -> None:
        self.world.venues[dex].inner.price = price


def a_request(amount: int, slippage_bps: int) -> Request:
    return Request(
        owner="public",
        input_mint=SOL,
        output_mint=USDC,
        amount_in=amount,
        slippage_bps=slippage_bps,
    )


def _pick(items: Sequence[T], number: int) -> T:
    return items[number % len(items)]


def _next(queue: deque[T], default: D) -> T | D:
    return queue.popleft() if queue else default


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(mutations.SENDS_FIRST, id="sent before it is stored"),
        pytest.param(mutations.LOOSENS, id="a retry loosens the floor"),
        pytest.param(mutations.IMPATIENT, id="a new attempt without proof"),
        pytest.param(mutations.SWEEPLESS, id="nothing sweeps"),
    ],
)
def test_an_engine_without_this_safeguard_is_found_out(broken: Engine) -> None:
    class Broken(Orders):
        engine = broken

    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Broken, settings=settings(TestOrders.settings, max_examples=50, phases=[Phase.generate])
        )


TestOrders = Orders.TestCase
TestOrders.settings = settings(
    max_examples=EXAMPLES or 250,
    stateful_step_count=60,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
