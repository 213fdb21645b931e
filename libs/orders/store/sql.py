"""The statements that write. Each takes a batch as one array, and is its own transaction.

A row and its event are written by one statement, and a caller has won only if its own
ordinal comes back. `$1` is always the length of a lease, when there is one.
"""

from collections.abc import Sequence

from orders.store import rows


def _batch(kind: str, columns: Sequence[str], parameter: int) -> str:
    """A relation `batch` of a parameter that is an array of type `kind`, with their ordinals."""
    return f"unnest(${parameter}::{kind}[]) WITH ORDINALITY AS batch ({', '.join(columns)}, ord)"


_NEW = _batch("new_order", rows.INSERT, 2)
_KEYS = ("owner", "kind", "key", "order_id", "fingerprint")

# What is done with the relation `fresh`.
_ADDED = """
), added AS (
    INSERT INTO orders (order_id, owner, client_order_id, input_mint, output_mint, amount_in,
                        slippage_bps, min_out, status, seq, attempt, hints, wake_at)
    SELECT order_id, owner, client_order_id, input_mint, output_mint, amount_in,
           slippage_bps, min_out, 'received', 1, 1, 1, now() + $1::interval
    FROM fresh
), told AS (
    INSERT INTO order_events (order_id, seq, status, attempt, data, at)
    SELECT order_id, 1, 'received', 1, data::jsonb, now() FROM fresh
)
SELECT ord, now() AS at FROM fresh
"""

# A lost race for a key leaves the order out; the foreign key then fails an order that won
# only one of its two keys, so none is left behind.
ADD = f"""
WITH claimed AS (
    INSERT INTO idempotency_keys (owner, kind, key, order_id, fingerprint)
    SELECT owner, kind, key, order_id, fingerprint
    FROM {_batch("order_key", _KEYS, 3)}
    ORDER BY owner, kind, key
    ON CONFLICT DO NOTHING
    RETURNING order_id
), fresh AS (
    SELECT * FROM {_NEW}
    WHERE keys = (SELECT count(*) FROM claimed WHERE claimed.order_id = batch.order_id)
{_ADDED}
"""

# The same without keys: most batches have none.
ADD_KEYLESS = f"""
WITH fresh AS MATERIALIZED (
    SELECT * FROM {_NEW}
{_ADDED}
"""

BIND_KEYS = f"""
INSERT INTO idempotency_keys (owner, kind, key, order_id, fingerprint)
SELECT owner, kind, key, order_id, fingerprint FROM {_batch("order_key", _KEYS, 1)}
ORDER BY owner, kind, key
ON CONFLICT DO NOTHING
RETURNING key
"""

# An expired lease counts as a crash only if PostgreSQL was up for the whole of it: a
# worker cannot renew while the database is down.
_CRASHED = (
    "(o.held AND o.wake_at <= now() AND pg_postmaster_start_time() < o.wake_at - $1::interval)"
)

SAVE = f"""
WITH batch AS MATERIALIZED (
    SELECT * FROM {_batch("order_step", rows.STEP, 2)}
), saved AS (
    UPDATE orders o SET
        status = b.status, seq = b.seq, attempt = b.attempt, tries = b.tries, dex = b.dex,
        tx_hash = b.tx_hash, expected_out = b.expected_out, min_out = b.min_out,
        actual_out = b.actual_out, failure_code = b.failure_code,
        failure_reason = b.failure_reason, updated_at = now(), hints = 0,
        lease = o.lease + b.claim,
        held = NOT b.final AND b.wait IS NULL,
        crashes = CASE WHEN b.claim > 0 THEN o.crashes + {_CRASHED}::int ELSE 0 END,
        wake_at = CASE
            WHEN b.final THEN NULL
            WHEN b.wait IS NOT NULL THEN now() + b.wait
            WHEN o.wake_at BETWEEN now() + $1::interval / 2 AND now() + $1::interval THEN o.wake_at
            ELSE now() + $1::interval END
    FROM batch b
    WHERE o.order_id = b.order_id AND o.seq = b.seq - 1
      AND o.status NOT IN ('confirmed', 'failed')
      AND CASE WHEN b.claim > 0 THEN NOT o.held OR o.wake_at <= now()
               ELSE o.held AND o.lease = b.lease END
    RETURNING b.ord, o.lease, o.crashes
), told AS (
    INSERT INTO order_events (order_id, seq, status, attempt, data, at)
    SELECT order_id, seq, status, attempt, data::jsonb, now() FROM saved JOIN batch USING (ord)
), signed AS (
    INSERT INTO order_attempts (order_id, attempt, dex, tx_hash, raw_tx, expected_out, min_out,
                                last_valid_height, state)
    SELECT order_id, attempt, dex, tx_hash, raw_tx, expected_out, min_out,
           last_valid_height, 'live'
    FROM saved JOIN batch USING (ord) WHERE raw_tx IS NOT NULL
), settled AS (
    UPDATE order_attempts a SET state = b.fate
    FROM saved JOIN batch b USING (ord)
    WHERE a.order_id = b.order_id AND a.attempt = b.closes AND a.state <> b.fate
)
SELECT ord, lease, crashes, now() AS at FROM saved
"""

# The one read of the hot path, a group at a time; it would cost three times as much through a
# Tortoise query, which is put together anew each time. So would `HISTORY`, which is read for
# each socket that is opened.
GET = """
SELECT o.*, a.raw_tx, a.last_valid_height
FROM orders o
LEFT JOIN order_attempts a
  ON a.order_id = o.order_id AND a.attempt = o.attempt AND o.status = 'submitted'
WHERE o.order_id = ANY ($1::uuid[])
"""

RENEW = """
UPDATE orders o SET wake_at = now() + $1::interval
FROM (SELECT * FROM unnest($2::uuid[], $3::bigint[]) AS h (order_id, lease) ORDER BY 1) AS h
WHERE o.order_id = h.order_id AND o.lease = h.lease AND o.held
RETURNING o.order_id
"""

RELEASE = """
UPDATE orders o SET held = FALSE, hints = 0, wake_at = now() + $1::interval
FROM (SELECT * FROM unnest($2::uuid[], $3::bigint[]) AS h (order_id, lease) ORDER BY 1) AS h
WHERE o.order_id = h.order_id AND o.lease = h.lease AND o.held
"""

# A sweep finds orders by how many hints they were sent since their last step: 0 while they are
# held or only wait, else 1 to 6, where counting ends. Each number is a range of its own, by
# `wake_at`, in an index of those that a worker has taken up before and in one of those that none
# has. So what is read is what is taken, however many wait.
_MOST_HINTS = 6
_TAKEN, _FRESH = "lease > 0", "lease = 0"


def _longest_waiting(
    which: str, until: str, limit: str, lock: str = "FOR UPDATE SKIP LOCKED"
) -> str:
    """At most `limit` of the orders `which` were to wake before `until`, which may go by their
    number of `hints`. Reads no more than `limit` of each number."""
    return f"""SELECT found.* FROM generate_series(0, {_MOST_HINTS}) AS level (hints), LATERAL (
        SELECT order_id, wake_at FROM orders
        WHERE {which} AND orders.hints = level.hints AND {until}
        ORDER BY wake_at
        LIMIT {limit}
        {lock}
    ) AS found
    ORDER BY found.wake_at
    LIMIT {limit}"""


_TAKE = f"""
UPDATE orders o SET
    held = FALSE, hints = least(o.hints + 1, {_MOST_HINTS}), wake_at = now() + $1::interval,
    crashes = o.crashes + {_CRASHED}::int
FROM picked
WHERE o.order_id = picked.order_id
RETURNING o.order_id, now() AS at
"""

# `$4` is when this sweep began: what it has hinted itself is due later than that, however
# long it takes. An order that was hinted was last hinted at `wake_at` less a lease. That hint
# must be lost when the queue holds none as old; a second's grace covers hints that overtook
# each other.
_IS_DUE = """wake_at <= coalesce($4::timestamptz, now())
          AND wake_at < CASE WHEN level.hints > 0 AND $3::timestamptz IS NOT NULL
                        THEN $3::timestamptz + $1::interval - interval '1 second'
                        ELSE 'infinity' END"""

DUE = f"""
WITH retries AS MATERIALIZED (
    {_longest_waiting(_TAKEN, _IS_DUE, "$2")}
), fresh AS MATERIALIZED (
    {_longest_waiting(_FRESH, _IS_DUE, "$2 - (SELECT count(*) FROM retries)")}
), picked AS MATERIALIZED (
    SELECT order_id FROM retries UNION ALL SELECT order_id FROM fresh
) {_TAKE}
"""

# Reads every order that is due and that a worker has taken up before.
UNSETTLED = _longest_waiting(
    f"{_TAKEN} AND status = 'submitted' AND crashes = 0", "wake_at <= now()", "$1", lock=""
)

_IS_OVERLOOKED = """wake_at <= CASE WHEN level.hints > 0
                        THEN now() + $1::interval - $3::interval * power(2, level.hints - 1)
                        ELSE '-infinity' END"""

OVERLOOKED = f"""
WITH retries AS MATERIALIZED (
    {_longest_waiting(_TAKEN, _IS_OVERLOOKED, "$2")}
), fresh AS MATERIALIZED (
    {_longest_waiting(_FRESH, _IS_OVERLOOKED, "$2")}
), picked AS MATERIALIZED (
    SELECT order_id FROM (SELECT * FROM retries UNION ALL SELECT * FROM fresh) AS found
    ORDER BY wake_at
    LIMIT $2
) {_TAKE}
"""

# No grace here: after a loss it matters more to find all that is lost than to double a few hints
# that overtook each other.
FORGET_HINTS = f"""
WITH picked AS MATERIALIZED (
    SELECT order_id FROM orders
    WHERE ({_TAKEN} OR {_FRESH}) AND hints > 0
      AND wake_at < coalesce($2::timestamptz + $1::interval, 'infinity')
    ORDER BY order_id
    LIMIT $3
    FOR UPDATE
), forgotten AS (
    UPDATE orders o SET hints = 0, wake_at = least(o.wake_at, now())
    FROM picked
    WHERE o.order_id = picked.order_id
    RETURNING 1
)
SELECT count(*) AS orders, now() AS at FROM forgotten
"""

AHEAD = """
SELECT o.order_id, o.seq FROM unnest($1::uuid[], $2::int[]) AS known (order_id, seq)
JOIN orders o ON o.order_id = known.order_id AND o.seq > known.seq
"""

HISTORY = """
SELECT order_id, seq, status, attempt, at, data FROM order_events
WHERE order_id = ANY ($1::uuid[])
ORDER BY order_id, seq
"""

# Ids sort by time as far as the clocks that made them agree, so the oldest is among the first.
_UNDER_WAY = f"SELECT status, created_at FROM orders WHERE wake_at IS NOT NULL AND {_TAKEN}"

SURVEY = f"""
SELECT
    (SELECT now() - min(created_at) FROM (
        SELECT created_at FROM orders WHERE {_FRESH} ORDER BY order_id LIMIT 100
    ) AS first) AS received,
    (SELECT now() - min(created_at) FROM (
        {_UNDER_WAY} ORDER BY order_id LIMIT 100
    ) AS first) AS taken,
    (SELECT count(*) FROM (
        SELECT 1 FROM generate_series(0, {_MOST_HINTS}) AS level (hints), LATERAL (
            SELECT 1 FROM orders
            WHERE {_TAKEN} AND orders.hints = level.hints
              AND wake_at <= CASE WHEN level.hints > 0 THEN 'infinity' ELSE now() END
            LIMIT $1
        ) AS found LIMIT $1
    ) AS due) AS due,
    (SELECT count(*) FROM (
        {_UNDER_WAY} ORDER BY order_id LIMIT $1
    ) AS first WHERE status = 'submitted' AND created_at < now() - $2::interval) AS stuck
"""
