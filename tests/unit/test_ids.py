from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from orders.domain.ids import uuid7

instants = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))
bits = st.integers(0, 2**74 - 1)


def test_an_id_is_the_one_of_the_standards_example() -> None:
    # RFC 9562, appendix A.6: 2022-02-22 14:22:22.00 GMT-05:00, rand_a 0xCC3, rand_b as below
    at = datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)

    made = uuid7(at, 0xCC3 << 62 | 0x18C4DC0C0C07398F)

    assert made == UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")


@given(instants, bits)
def test_an_id_says_its_version_and_variant(at: datetime, random: int) -> None:
    made = uuid7(at, random)

    assert made.version == 7
    assert made.variant == RFC_4122


@given(instants, bits)
def test_an_id_holds_its_time_to_the_millisecond(at: datetime, random: int) -> None:
    milliseconds = uuid7(at, random).int >> 80

    made = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    assert made == at.replace(microsecond=at.microsecond // 1_000 * 1_000)


@given(instants, bits, bits)
def test_a_later_id_sorts_after_an_earlier_one(at: datetime, first: int, second: int) -> None:
    assert uuid7(at, first) < uuid7(at + timedelta(milliseconds=1), second)


@given(instants, bits)
def test_an_id_without_random_bits_is_the_least_of_its_millisecond(
    at: datetime, random: int
) -> None:
    assert uuid7(at) <= uuid7(at, random)


@given(instants, bits, bits)
def test_other_random_bits_make_another_id(at: datetime, first: int, second: int) -> None:
    assert (uuid7(at, first) == uuid7(at, second)) is (first == second)
