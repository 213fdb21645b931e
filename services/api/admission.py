"""Whether one more order may be accepted: accepting outruns executing, so it is bounded."""

from datetime import timedelta

from orders import observe
from orders.domain.errors import StoreUnavailable
from orders.ports import Store
from services.api.errors import Code, Problem


class Admission:
    """Refuses while too many accepts wait, or while the oldest received order is too old.

    The age is read by `look`, which must be called every so often.
    """

    def __init__(self, *, store: Store, max_waiting: int, max_age: timedelta) -> None:
        self._store = store
        self._max_waiting = max_waiting
        self._max_age = max_age
        self._age = timedelta(0)

    async def look(self) -> None:
        """Read how the open orders stand, and how long the oldest received one has waited."""
        try:
            survey = await self._store.survey()
        except StoreUnavailable:
            observe.unsurveyed()
            raise
        self._age = survey.oldest_received or timedelta(0)
        observe.surveyed(survey)

    def check(self, waiting: int) -> None:
        """Raise `Problem` unless one more order may come in beside the `waiting` ones: all that
        were let in and have not ended."""
        if waiting >= self._max_waiting:
            raise Problem(Code.OVERLOADED, f"{waiting} accepts are waiting already")
        if self._age > self._max_age:
            waited = f"{self._age.total_seconds():.0f} s"
            raise Problem(Code.OVERLOADED, f"the oldest order has waited {waited} for a worker")
