"""What a run of the benchmarks may be told. None leaves a scenario its own default."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Options:
    """See `python -m benchmarks --help`."""

    runs: int = 3
    orders: int | None = None
    connections: int | None = None
    concurrency: int | None = None
    keys: bool | None = None
    rates: tuple[int, ...] | None = None
    seconds: float | None = None
    sizes: tuple[int, ...] | None = None
    sockets: int | None = None
    minutes: float = 30
    limit: float | None = None
    samples: str | None = None

    @property
    def with_keys(self) -> list[bool]:
        """Whether POSTs have keys, for each case of a scenario that measures both."""
        return [False, True] if self.keys is None else [self.keys]
