from __future__ import annotations

import math
import threading

from livetide.metrics import PrometheusMeter
from storage.sink_lag import Lag


class Ends(dict[tuple[str, int], int]):
    def __call__(self, _keys: object) -> dict[tuple[str, int], int]:
        return dict(self)


def value(meter: PrometheusMeter, partition: int) -> float | None:
    return meter.registry.get_sample_value("livetide_sink_lag", {"topic": "t", "partition": str(partition)})


def test_lag_grows_with_the_log_and_goes_with_the_partition() -> None:
    meter, ends = PrometheusMeter(), Ends({("t", 0): 10, ("t", 1): 5})
    lag = Lag(ends, meter)
    lag.reached(("t", 0), 10)
    lag.measure()
    assert (value(meter, 0), value(meter, 1)) == (0, None)
    ends["t", 0] = 50  # nothing is committed meanwhile
    lag.measure()
    assert value(meter, 0) == 40
    lag.forget()
    lag.measure()
    assert value(meter, 0) is None


def test_a_gauge_of_a_partition_that_was_never_set_can_go() -> None:
    meter = PrometheusMeter()
    meter.gauge("sink_lag", math.nan, topic="t", partition="9")
    assert value(meter, 9) is None


def test_a_stop_ends_the_timer() -> None:
    stop = threading.Event()
    stop.set()
    Lag(Ends(), PrometheusMeter()).run(stop)
