"""What values of a signal ask for, where one worker is for ten orders."""

from tests.autoscaling.hpa import Keda, wanted
from tests.autoscaling.policies import scaling
from tests.autoscaling.signals import Reading

TEN = scaling(target=10, maximum=20)
TEN_OR_NONE = scaling(target=10, maximum=20, minimum=0)


def workers(value: Reading, current: int = 1) -> int:
    """Wanted for that value by a HPA that has `current`."""
    assert value is not None
    return wanted(value, current, TEN)


def wakes(value: Reading) -> bool:
    """Whether KEDA would start a first worker, there being none."""
    return value is not None and Keda(TEN_OR_NONE)(1000, value, 0) == 1
