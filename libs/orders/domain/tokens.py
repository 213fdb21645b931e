"""The tokens that can be swapped, known by symbol and by mint address."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Token:
    """A token. `usd_nanos` is the reference price of one whole token in 1e-9 USD: simulated
    venues centre their pools on it, and nothing else reads it."""

    symbol: str
    mint: str
    decimals: int
    usd_nanos: int


class Tokens:
    """Looks a token up by either of its names."""

    def __init__(self, tokens: Iterable[Token]) -> None:
        self._by_mint = {token.mint: token for token in tokens}
        self._by_name = {token.symbol: token for token in self._by_mint.values()}
        self._by_name |= self._by_mint

    def __iter__(self) -> Iterator[Token]:
        return iter(self._by_mint.values())

    def get(self, name: str) -> Token | None:
        """The token of that symbol or mint address; None when there is none."""
        return self._by_name.get(name)

    def symbol(self, mint: str) -> str:
        """The symbol of `mint`, or `mint` itself when the token is not known (any more)."""
        token = self._by_mint.get(mint)
        return token.symbol if token else mint


# Mint addresses: Solana mainnet. Prices are round figures of 2026, for simulation only.
KNOWN = (
    Token("SOL", "So11111111111111111111111111111111111111112", 9, 150_000_000_000),
    Token("USDC", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 6, 1_000_000_000),
    Token("USDT", "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", 6, 1_000_000_000),
    Token("JUP", "JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN", 6, 500_000_000),
    Token("BONK", "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263", 5, 20_000),
    Token("mSOL", "mSoLzYCxHdYgdzU16g5QSh3i5K3z3KZK7ytfqcJm7So", 9, 190_000_000_000),
)
