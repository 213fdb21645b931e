"""A HorizontalPodAutoscaler on one external metric of type AverageValue, and KEDA beside it.

Follows kubernetes/pkg/controller/podautoscaler: `GetExternalPerPodMetricReplicas` in
replica_calculator.go for what is wanted, `stabilizeRecommendationWithBehaviors` and
`convertDesiredReplicasWithBehaviorRate` in horizontal.go for what is done about it.
"""

from math import ceil

from tests.autoscaling.policies import Policy, Scaling

SYNC = 15  # --horizontal-pod-autoscaler-sync-period
TOLERANCE = 0.1  # --horizontal-pod-autoscaler-tolerance

Event = tuple[float, int]
"""When, and how many."""


def recommended(value: int, current: int, target: int) -> int:
    """Replicas that the metric asks for, before any bound: as many as there are while it is
    within the tolerance of what they are for."""
    if current and abs(1 - value / (target * current)) <= TOLERANCE:
        return current
    return ceil(value / target)


def wanted(value: int, current: int, scaling: Scaling) -> int:
    """The same, within the least and the most. KEDA keeps a HPA at 1 or more."""
    least = max(1, scaling.minimum)
    return min(max(recommended(value, current, scaling.target), least), scaling.maximum)


class Hpa:
    """Remembers what it recommended and did. Asked each `SYNC` seconds."""

    def __init__(self, scaling: Scaling) -> None:
        self._scaling = scaling
        self._recommended: list[Event] = []
        self._added: list[Event] = []
        self._removed: list[Event] = []

    def __call__(self, now: float, value: int, current: int) -> int:
        """The replicas to have from now on."""
        asked = recommended(value, current, self._scaling.target)
        steady = self._stabilized(now, asked, current)
        chosen = min(max(self._paced(now, steady, current), max(1, self._scaling.minimum)),
                     self._scaling.maximum)  # fmt: skip
        self._recommended.append((now, asked))
        if chosen > current:
            self._added.append((now, chosen - current))
        elif chosen < current:
            self._removed.append((now, current - chosen))
        return chosen

    def _stabilized(self, now: float, asked: int, current: int) -> int:
        """Up to the least, and down to the most, that was recommended within each window."""
        lowest = min([asked, *_since(self._recommended, now - self._scaling.up.window)])
        highest = max([asked, *_since(self._recommended, now - self._scaling.down.window)])
        return min(max(current, lowest), highest)

    def _paced(self, now: float, steady: int, current: int) -> int:
        """As far as the policies let it go now, counted from where each period began."""
        if steady > current:
            most = max(self._limit(each, now, current, 1) for each in self._scaling.up.policies)
            return min(steady, max(most, current))
        least = min(self._limit(each, now, current, -1) for each in self._scaling.down.policies)
        return max(steady, min(least, current))

    def _limit(self, policy: Policy, now: float, current: int, way: int) -> int:
        began = now - policy.period
        start = current - sum(_since(self._added, began)) + sum(_since(self._removed, began))
        if policy.kind == "Pods":
            return start + way * policy.value
        changed = start * (1 + way * policy.value / 100)
        return ceil(changed) if way > 0 else int(changed)


def _since(events: list[Event], began: float) -> list[int]:
    return [count for at, count in events if at > began]


class Keda:
    """Takes the step between none and one, which a HPA cannot; asked each polling interval.

    Follows pkg/scaling/executor/scale_scaledobjects.go of KEDA 2.19: from 0 as soon as the trigger
    is active, to 0 once it was not for the cooldown period. Active means more than the
    activation value, which is 0 (`GetMetricsAndActivity` in redis_streams_scaler.go).
    """

    def __init__(self, scaling: Scaling) -> None:
        self._scaling = scaling
        self._active = 0.0

    def __call__(self, now: float, value: int, current: int) -> int:
        if value > 0:
            self._active = now
            return max(current, 1)
        idle = now - self._active > self._scaling.cooldown
        return 0 if idle and self._scaling.minimum == 0 else max(current, self._scaling.minimum)
