"""The venue's books in one SQLite file: what it took up, what it executed, and who paid whom.

They outlive a `kill -9` of the venue. `read` is for whoever judges a run.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from uuid import UUID

from orders.domain.errors import FailureCode
from tests.chaos.venue.fate import Ending, Fate
from tests.chaos.venue.faults import Fault

SCHEMA = """
CREATE TABLE IF NOT EXISTS transactions (
    tx_id             TEXT PRIMARY KEY,
    order_id          TEXT NOT NULL,
    attempt           INTEGER NOT NULL,
    dex               TEXT NOT NULL,
    input_mint        TEXT NOT NULL,
    amount_in         INTEGER NOT NULL,
    output_mint       TEXT NOT NULL,
    min_out           INTEGER NOT NULL,
    last_valid_height INTEGER NOT NULL,
    taken_at          INTEGER NOT NULL,
    ending            TEXT NOT NULL,
    at                INTEGER NOT NULL,
    fault             TEXT,
    out               INTEGER,
    code              TEXT,
    detail            TEXT NOT NULL,
    flickers          INTEGER NOT NULL,
    hidden_until      INTEGER NOT NULL,
    is_settled        INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS transactions_unsettled ON transactions (tx_id) WHERE NOT is_settled;
CREATE TABLE IF NOT EXISTS executions (
    tx_id       TEXT PRIMARY KEY REFERENCES transactions,
    order_id    TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    dex         TEXT NOT NULL,
    input_mint  TEXT NOT NULL,
    amount_in   INTEGER NOT NULL,
    output_mint TEXT NOT NULL,
    out         INTEGER NOT NULL CHECK (out >= min_out),
    min_out     INTEGER NOT NULL,
    height      INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS balances (
    mint     TEXT PRIMARY KEY,
    paid     INTEGER NOT NULL,
    received INTEGER NOT NULL,
    amount   INTEGER GENERATED ALWAYS AS (received - paid) VIRTUAL
) STRICT;
CREATE TABLE IF NOT EXISTS faults (
    mode   TEXT PRIMARY KEY,
    rate   REAL NOT NULL,
    struck INTEGER NOT NULL
) STRICT;
"""
COLUMNS = [field.name for field in fields(Fate)]
TAKE_UP = f"""
    INSERT OR REPLACE INTO transactions ({", ".join(COLUMNS)})
    VALUES ({", ".join("?" for _ in COLUMNS)})
"""
EXECUTE = """
    INSERT INTO executions
    SELECT tx_id, order_id, attempt, dex, input_mint, amount_in, output_mint, out, min_out, at
    FROM transactions WHERE tx_id = ? AND at <= last_valid_height
"""
BOOK = """
    INSERT INTO balances (mint, paid, received) VALUES (?, ?, ?)
    ON CONFLICT (mint) DO UPDATE
    SET paid = paid + excluded.paid, received = received + excluded.received
"""
NOTE_FAULTS = "INSERT OR REPLACE INTO faults (mode, rate, struck) VALUES (?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Execution:
    """Tokens changed hands: the trader gave `amount_in` and got `out`."""

    tx_id: str
    order_id: UUID
    attempt: int
    dex: str
    input_mint: str
    amount_in: int
    output_mint: str
    out: int
    min_out: int
    height: int


@dataclass(frozen=True, slots=True)
class Books:
    """All that the venue did, as of one moment.

    The balances are the trader's, by mint: `balances` is what it `received` less what it `paid`.
    """

    executions: tuple[Execution, ...]
    paid: Mapping[str, int]
    received: Mapping[str, int]
    balances: Mapping[str, int]
    fates: tuple[Fate, ...]
    """Everything that was ever taken up, in no order."""
    struck: Mapping[Fault, int]
    """How often each fault struck, to within a second of a `kill -9`."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing can change any more unless more is sent."""
        return all(fate.is_settled for fate in self.fates)


class Ledger:
    """The books as the venue writes them. Every method is one transaction of the database."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        # What is committed is with the system, and outlives this process. It need not outlive
        # the machine.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def take_up(self, fate: Fate) -> None:
        """Write down what will become of a transaction, anew if it had vanished."""
        self._db.execute(TAKE_UP, _row(fate))

    def get(self, tx_id: str) -> Fate | None:
        """The fate of a transaction; None when it was never taken up."""
        row = self._db.execute(
            f"SELECT {', '.join(COLUMNS)} FROM transactions WHERE tx_id = ?", (tx_id,)
        ).fetchone()
        return row and _fate(row)

    def unsettled(self) -> list[Fate]:
        """What has not gone out yet."""
        return list(_fates(self._db, "WHERE NOT is_settled"))

    def settle(self, fates: Sequence[Fate]) -> None:
        """Let these go out: what lands is executed, and its balances are moved."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for fate in fates:
                if fate.ending is Ending.LANDS:
                    self._execute(fate)
                self._db.execute(
                    "UPDATE transactions SET is_settled = 1 WHERE tx_id = ?", (fate.tx_id,)
                )
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def _execute(self, fate: Fate) -> None:
        if self._db.execute(EXECUTE, (fate.tx_id,)).rowcount != 1:
            raise AssertionError(f"{fate.tx_id} would land after its last valid height")
        self._db.execute(BOOK, (fate.input_mint, fate.amount_in, 0))
        self._db.execute(BOOK, (fate.output_mint, 0, fate.out))

    def note_faults(self, rates: Mapping[Fault, float], struck: Mapping[Fault, int]) -> None:
        """Keep the modes' rates, and how often each struck."""
        rows = [(fault, rates[fault], struck.get(fault, 0)) for fault in Fault]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(NOTE_FAULTS, rows)
        self._db.execute("COMMIT")

    def faults(self) -> tuple[dict[Fault, float], dict[Fault, int]]:
        """The rates and strikes that were noted last."""
        rows = self._db.execute("SELECT mode, rate, struck FROM faults").fetchall()
        return (
            {Fault(mode): rate for mode, rate, _ in rows},
            {Fault(mode): struck for mode, _, struck in rows},
        )


def read(path: Path | str) -> Books:
    """The books as they stand, whether or not the venue runs."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as db:
        db.execute("BEGIN")  # one moment for all that is read
        moves = db.execute("SELECT mint, paid, received, amount FROM balances").fetchall()
        return Books(
            executions=tuple(
                Execution(tx_id, UUID(order_id), *rest)
                for tx_id, order_id, *rest in db.execute("SELECT * FROM executions")
            ),
            paid={mint: paid for mint, paid, _, _ in moves},
            received={mint: received for mint, _, received, _ in moves},
            balances={mint: amount for mint, _, _, amount in moves},
            fates=tuple(_fates(db)),
            struck={
                Fault(mode): struck
                for mode, struck in db.execute("SELECT mode, struck FROM faults")
            },
        )


def _fates(db: sqlite3.Connection, where: str = "") -> Iterator[Fate]:
    rows = db.execute(f"SELECT {', '.join(COLUMNS)} FROM transactions {where}")
    return map(_fate, rows)


def _row(fate: Fate) -> list[object]:
    return [
        str(value) if isinstance(value, UUID) else value
        for value in (getattr(fate, column) for column in COLUMNS)
    ]


def _fate(row: Sequence[object]) -> Fate:
    values = dict(zip(COLUMNS, row, strict=True))
    return Fate(
        **values  # type: ignore[arg-type]
        | {
            "order_id": UUID(str(values["order_id"])),
            "ending": Ending(str(values["ending"])),
            "fault": values["fault"] and Fault(str(values["fault"])),
            "code": values["code"] and FailureCode(str(values["code"])),
            "flickers": bool(values["flickers"]),
            "is_settled": bool(values["is_settled"]),
        }
    )
