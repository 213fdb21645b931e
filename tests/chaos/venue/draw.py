"""Draws what becomes of a trade as it is taken up."""

from dataclasses import replace
from random import Random

from orders.domain.amounts import BPS
from orders.domain.errors import FailureCode
from tests.chaos.venue.fate import FINALITY_BLOCKS, Ending, Fate
from tests.chaos.venue.faults import ON_TRADE, Fault, Faults
from tests.chaos.venue.market import Market
from tests.chaos.venue.sealed import Swap

SOON = (1, 3)
"""In how many blocks a trade lands to which nothing happens."""
LAST_BLOCKS = 3
FORKED_BLOCKS = (2, FINALITY_BLOCKS - 1)
"""After how many blocks a trade is forked away."""
HIDDEN_BLOCKS = (20, 60)
"""For how long after it is final nodes have not seen it."""
UP_BPS = (50, 500)


def draw(swap: Swap, tx_id: str, *, tip: int, market: Market, faults: Faults) -> Fate:
    """The fate of `swap` when it is taken up at height `tip`, its last valid one at the latest."""
    expiry = swap.last_valid_height
    fault = faults.strike(*ON_TRADE)
    dice = faults.dice(fault)
    fate = Fate(
        tx_id=tx_id,
        order_id=swap.order_id,
        attempt=swap.attempt,
        dex=swap.dex,
        input_mint=swap.input_mint,
        amount_in=swap.amount_in,
        output_mint=swap.output_mint,
        min_out=swap.min_out,
        last_valid_height=expiry,
        taken_at=tip,
        ending=Ending.LANDS,
        at=min(tip + dice.randint(*SOON), expiry),
        fault=fault,
    )
    match fault:
        case Fault.LATE_LANDING_BEFORE_EXPIRY:
            last = dice.randint(max(tip, expiry - LAST_BLOCKS + 1), expiry)
            fate = replace(fate, at=last, flickers=True)
        case Fault.LATE_LANDING_AFTER_EXPIRY:
            return replace(fate, ending=Ending.VANISHES, at=expiry + 1, flickers=True)
        case Fault.FORK:
            return replace(fate, ending=Ending.VANISHES, at=tip + dice.randint(*FORKED_BLOCKS))
        case Fault.REVERT:
            return _reverted(fate, FailureCode.VENUE_REFUSED, "the venue refused the trade")
    out: int = market.quote(swap.input_mint, swap.output_mint, swap.amount_in, fate.at).out
    if fault is Fault.PRICE_JUMP:
        out = _jumped(out, swap.min_out, dice)
    if out < swap.min_out:
        detail = f"{out} would arrive, and {swap.min_out} is the least"
        return _reverted(fate, FailureCode.SLIPPAGE_EXCEEDED, detail)
    return replace(fate, out=out, hidden_until=_hidden_until(fate, faults))


def _reverted(fate: Fate, code: FailureCode, detail: str) -> Fate:
    return replace(fate, ending=Ending.REVERTS, code=code, detail=detail)


def _jumped(out: int, floor: int, dice: Random) -> int:
    """Below the floor two times in three, else more than was quoted."""
    if dice.random() < 2 / 3:
        return min(out, floor) - 1
    return out * (BPS + dice.randint(*UP_BPS)) // BPS + 1


def _hidden_until(fate: Fate, faults: Faults) -> int:
    if faults.strike(Fault.NULL_STATUS) is None:
        return 0
    behind = faults.dice(Fault.NULL_STATUS).randint(*HIDDEN_BLOCKS)
    return fate.at + FINALITY_BLOCKS + behind
