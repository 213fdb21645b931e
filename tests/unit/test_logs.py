"""What becomes of what happens: when it is written, how it looks, and how often."""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from threading import Thread
from typing import Any, NoReturn
from uuid import UUID

import msgspec
import pytest
import structlog
from structlog.typing import EventDict

from orders import logger, logs, observe
from orders.domain.errors import FailureCode
from orders.domain.lifecycle import Status
from orders.logger import log
from orders.logs.lines import Lines
from orders.logs.rendering import as_json, as_text
from orders.logs.repeats import AT_MOST, ENDS, WINDOW_SECONDS
from tests.eventually import eventually
from tests.factories import an_order

ID = UUID("019a0000-0000-7000-8000-0000000000ab")


class Broken(StringIO):
    """Standard error of which the other end is gone."""

    def write(self, _: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


class Terminal(StringIO):
    """Standard error that a person looks at."""

    def isatty(self) -> bool:
        return True


class Time:
    """Stands still, just after the epoch, unless told."""

    def __init__(self) -> None:
        self.now = 1.5

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Undoes what a test configures."""
    root = logging.getLogger()
    before = type(log), logger.PROCESSORS[:], structlog.get_config(), root.handlers[:], root.level
    yield
    log.__class__, logger.PROCESSORS[:], configuration, root.handlers[:], level = before
    structlog.configure(**configuration | {"processors": logger.PROCESSORS})
    root.setLevel(level)


@pytest.fixture
def written() -> StringIO:
    return StringIO()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def lines(written: StringIO, time: Time) -> Lines:
    return Lines(written, as_json, now=time)


def read(stream: StringIO) -> list[dict[str, Any]]:
    """The lines that were written."""
    return [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]


def configure(stream: StringIO, level: str, format: str = "auto") -> None:
    """As a process does whose standard error is `stream`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        logs.configure(level, format)


def events(stream: StringIO) -> list[str]:
    return [line["event"] for line in read(stream)]


# -- when


def test_where_no_loop_runs_a_line_is_written_at_once(lines: Lines, written: StringIO) -> None:
    lines.add("info", {"event": "one"})

    assert events(written) == ["one"]


async def test_lines_of_a_moment_are_written_together_and_soon(
    lines: Lines, written: StringIO
) -> None:
    lines.add("info", {"event": "one"})
    lines.add("info", {"event": "two"})

    assert written.getvalue() == ""
    await eventually(lambda: events(written) == ["one", "two"])


@pytest.mark.parametrize("level", ["warning", "error", "critical"])
async def test_a_warning_waits_for_nothing_and_keeps_its_place(
    lines: Lines, written: StringIO, level: str
) -> None:
    lines.add("info", {"event": "one"})
    lines.add(level, {"event": "two"})

    assert events(written) == ["one", "two"]


async def test_so_many_lines_wait_and_no_more(lines: Lines, written: StringIO) -> None:
    for n in range(logs.MOST):
        assert written.getvalue() == ""
        lines.add("info", {"event": f"line {n}"})

    assert len(events(written)) == logs.MOST


def test_a_line_that_waited_for_a_loop_which_ended_is_written_with_the_next(
    lines: Lines, written: StringIO, time: Time
) -> None:
    async def a_short_life() -> None:
        lines.add("info", {"event": "one"})

    asyncio.run(a_short_life())
    time.now += 1
    lines.add("info", {"event": "two"})

    assert events(written) == ["one", "two"]


async def test_a_line_tells_when_it_happened_not_when_it_was_written(
    lines: Lines, written: StringIO, time: Time
) -> None:
    lines.add("info", {"event": "one"})
    time.now += 0.04
    lines.flush()

    assert [line["timestamp"] for line in read(written)] == ["1970-01-01T00:00:01.500000Z"]


def test_a_log_that_cannot_be_written_harms_nobody() -> None:
    lines = Lines(Broken(), as_json)

    lines.add("warning", {"event": "redis.failed"})
    lines.add("info", {"event": "order.confirmed"})


def test_lines_of_many_threads_are_all_written(lines: Lines, written: StringIO) -> None:
    def tell() -> None:
        for _ in range(500):
            lines.add("info", {"event": "order.confirmed"})

    threads = [Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert events(written) == ["order.confirmed"] * 2_000


# -- how


def rendered(**fields: Any) -> dict[str, Any]:
    """The line of these fields, read again."""
    stream = StringIO()
    Lines(stream, as_json).add("info", {"event": "it.happened", **fields})
    (line,) = read(stream)
    return line


def test_a_line_is_an_object_whose_first_fields_are_always_the_same(
    lines: Lines, written: StringIO
) -> None:
    lines.add(
        "info", {"order_id": ID, "status": Status.ROUTING, "tries": 2, "event": "order.retry"}
    )

    assert written.getvalue() == (
        '{"timestamp":"1970-01-01T00:00:01.500000Z","level":"info","event":"order.retry",'
        '"order_id":"019a0000-0000-7000-8000-0000000000ab","status":"routing","tries":2,'
        '"trace_id":"019a0000000070008000000000000' + '0ab"}\n'
    )


@pytest.mark.parametrize("order_id", [ID, str(ID)])
def test_whoever_tells_of_an_order_tells_of_its_trace(order_id: object) -> None:
    assert rendered(order_id=order_id)["trace_id"] == ID.hex
    assert "trace_id" not in rendered(count=1)


SECRETS = [
    "postgresql://user:hunter2@host:5432/orders",
    "redis://:hunter2@host:6379/0",
    "postgresql://u:p/hunter2@x@one:5432,two:5432/orders",
    "https://u:\"hunter2'\\@host",
    "dsn: host=h password=hunter2 user=u",
    "postgresql://host/orders?password=hunter2&user=u",
    "{'host': 'h', 'password': 'hunter2 and more', 'user': 'u'}",
    '{"password": "hunter2"}',
    "ORDERS_PASSWORD=hunter2",
    "Password: hunter2",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_no_line_shows_a_password(secret: str) -> None:
    told = [
        rendered(error=secret),
        rendered(nested={"urls": [secret]}),
        rendered(exc_info=OSError(f"cannot reach {secret} now")),
        rendered(error=OSError(secret)),
    ]

    assert "hunter2" not in str(told)
    assert told[0]["error"] != secret


@pytest.mark.parametrize(
    "text",
    [
        "http://host:80/path",
        "http://host:80 and mail to me@host",
        "a line\nhttp://host:80\nme@host",
        'password authentication failed for user "u"',
        "redis://user@host",
    ],
)
def test_what_is_no_password_is_shown(text: str) -> None:
    assert rendered(error=text)["error"] == text


def test_what_a_url_has_beside_its_password_is_shown() -> None:
    told = rendered(error="ConnectionError: redis://u:hunter2@one:6379/0 is gone")

    assert told["error"] == "ConnectionError: redis://***:***@one:6379/0 is gone"


def test_hiding_passwords_takes_no_time_that_grows_faster_than_the_text() -> None:
    for text in ("://a:" * 20_000, f"://{'a:' * 50_000}@", "password='" * 20_000):
        assert rendered(error=text, mail="me@host")["mail"] == "me@host"


def a_failure(text: str = "a bug") -> Exception:
    """One that was raised, on top of another."""
    try:
        try:
            raise KeyError("the cause")
        except KeyError as cause:
            raise RuntimeError(text) from cause
    except RuntimeError as raised:
        return raised


def test_what_was_raised_is_told_in_short_and_in_full() -> None:
    told = rendered(exc_info=a_failure())

    assert told["error"] == "RuntimeError: a bug"
    assert told["exception"].startswith("Traceback (most recent call last):\n")
    assert "KeyError: 'the cause'\n" in told["exception"]
    assert told["exception"].endswith("\nRuntimeError: a bug")
    assert "exc_info" not in told


def test_what_is_being_raised_need_not_be_named(written: StringIO) -> None:
    configure(written, "INFO")

    try:
        raise KeyError("a bug")
    except KeyError:
        log.exception("order.bug", order_id=ID)
        log.error("task.failed", exc_info=sys.exc_info())
    log.error("no.bug", exc_info=True)

    assert [line.get("error") for line in read(written)] == ["KeyError: 'a bug'"] * 2 + [None]


class Mute:
    """Cannot be described."""

    def __str__(self) -> NoReturn:
        raise ValueError


def test_a_value_that_cannot_be_told_keeps_no_other_from_being_told() -> None:
    told = rendered(half="\udc80", huge=2**70, mute=Mute(), bug=[Mute()], count=1)

    del told["timestamp"]
    assert told == {
        "level": "info",
        "event": "it.happened",
        "half": "\\udc80",
        "huge": 2**70,
        "mute": "<Mute>",
        "bug": told["bug"],
        "count": 1,
    }
    assert "Mute" in told["bug"]


def a_text(*, colours: bool = False, **fields: Any) -> str:
    stream = StringIO()
    lines = Lines(stream, as_text(colours=colours), now=Time())
    lines.add("warning", {"event": "it.happened", **fields})
    return stream.getvalue()


def test_text_has_columns() -> None:
    assert a_text(dex="alpha", error="no answer", count=2) == (
        "1970-01-01T00:00:01.500000Z [warning  ] it.happened          "
        "dex=alpha error='no answer' count=2\n"
    )


def test_text_for_a_terminal_is_coloured() -> None:
    assert "\x1b[" in a_text(colours=True)
    assert "\x1b" not in a_text()


def test_text_shows_what_was_raised_below_the_line() -> None:
    first, *below = a_text(exc_info=a_failure("redis://u:hunter2@h")).splitlines()

    assert first.endswith("error='RuntimeError: redis://***:***@h'")
    assert below[0] == "Traceback (most recent call last):"
    assert below[-1] == "RuntimeError: redis://***:***@h"


def test_nobody_can_forge_a_line_or_give_orders_to_a_terminal() -> None:
    stream = StringIO()
    lines = Lines(stream, as_text(colours=False))

    lines.add("info", {"event": "one\n1970 two", "text": "\x1b[31m\n\u2028\x9b", "key": "a=b"})

    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()
    assert "\x9b" not in stream.getvalue()


# -- how often


def the_same(lines: Lines, times: int, event: str = "redis.failed", **fields: Any) -> None:
    for n in range(times):
        lines.add("info", {"error": f"ConnectionError: {n}", **fields, "event": event})


def counted(stream: StringIO) -> tuple[int, int]:
    """How many lines were written, and how many more they stand for."""
    told = read(stream)
    return len(told), sum(line.get("suppressed", 0) for line in told)


def test_what_repeats_itself_is_written_so_often_and_once_more_for_all_the_others(
    lines: Lines, written: StringIO, time: Time
) -> None:
    the_same(lines, 10_000)
    assert counted(written) == (AT_MOST, 0)

    time.now += WINDOW_SECONDS
    lines.add("info", {"event": "something.else"})

    assert counted(written) == (AT_MOST + 2, 10_000 - AT_MOST - 1)
    *_, kept, other = read(written)
    assert (kept["error"], kept["suppressed"]) == ("ConnectionError: 9999", 9979)
    assert other["event"] == "something.else"


def test_what_is_kept_once_stands_for_itself_alone(lines: Lines, written: StringIO) -> None:
    the_same(lines, AT_MOST + 1)
    lines.release()

    assert counted(written) == (AT_MOST + 1, 0)


def test_no_more_are_written_in_a_window_because_it_was_asked_how_many_were_kept(
    lines: Lines, written: StringIO
) -> None:
    for _ in range(3):
        the_same(lines, 100)
        lines.release()

    assert counted(written) == (AT_MOST + 3, 300 - AT_MOST - 3)


def test_each_window_begins_anew(lines: Lines, written: StringIO, time: Time) -> None:
    for _ in range(3):
        the_same(lines, 100)
        time.now += WINDOW_SECONDS
    lines.release()

    assert counted(written) == (3 * AT_MOST + 3, 300 - 3 * AT_MOST - 3)


def test_a_clock_that_is_set_back_silences_nothing(
    lines: Lines, written: StringIO, time: Time
) -> None:
    time.now = 1_000_000.0
    the_same(lines, AT_MOST)
    time.now = 5.0
    the_same(lines, AT_MOST)

    assert counted(written) == (2 * AT_MOST, 0)


async def test_what_was_kept_is_told_at_the_windows_end_if_nothing_else_happens(
    written: StringIO,
) -> None:
    loop = asyncio.get_running_loop()
    later: list[tuple[float, Callable[[], object]]] = []
    lines = Lines(written, as_json, now=Time())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "call_later", lambda delay, do: later.append((delay, do)))
        the_same(lines, 50)

    assert [round(delay, 2) for delay, _ in later] == [logs.MOMENT_SECONDS, WINDOW_SECONDS]
    for _, do in later:
        do()
    assert counted(written) == (AT_MOST + 1, 50 - AT_MOST - 1)


def test_what_differs_in_its_cause_or_error_is_not_the_same(
    lines: Lines, written: StringIO
) -> None:
    the_same(lines, AT_MOST, call="enqueue")
    the_same(lines, AT_MOST, call="publish")
    the_same(lines, AT_MOST, error="TimeoutError: no answer")
    the_same(lines, AT_MOST, exc_info=KeyError("a"))
    the_same(lines, AT_MOST, exc_info=ValueError("a"))

    assert counted(written) == (5 * AT_MOST, 0)


def test_what_differs_in_its_order_alone_is_the_same(lines: Lines, written: StringIO) -> None:
    for n in range(100):
        lines.add("warning", {"event": "order.dropped", "order_id": UUID(int=n), "reason": "stale"})
    lines.release()

    assert counted(written) == (AT_MOST + 1, 100 - AT_MOST - 1)


@pytest.mark.parametrize("event", sorted(ENDS))
def test_the_end_of_an_order_is_always_told(lines: Lines, written: StringIO, event: str) -> None:
    the_same(lines, 1_000, event)

    assert counted(written) == (1_000, 0)


def test_the_ends_that_are_always_told_are_those_that_are_told(written: StringIO) -> None:
    configure(written, "INFO")
    suspect = an_order(id=ID)

    observe.suspected(suspect)
    observe.step_failed(suspect, KeyError("a bug"))
    with suppress(AttributeError):
        observe.moved(suspect.resume().fail(FailureCode.NO_ROUTE, "none"), None)

    assert {*events(written), "order.confirmed"} == ENDS


def test_whoever_asks_for_all_that_happens_is_told_all(lines: Lines, written: StringIO) -> None:
    for _ in range(100):
        lines.add("debug", {"event": "order.moved"})

    assert counted(written) == (100, 0)


# -- configured


def test_a_level_and_what_is_above_it_is_told(written: StringIO) -> None:
    configure(written, "WARNING")
    log.info("one")
    log.warning("two")
    configure(written, "INFO")
    log.debug("three")
    log.info("four")
    logging.getLogger().handlers[0].flush()

    assert events(written) == ["two", "four"]


def test_a_logger_of_structlogs_own_goes_the_same_way(written: StringIO) -> None:
    configure(written, "INFO")

    structlog.get_logger("orders").debug("one")
    structlog.get_logger("orders").bind(order_id=ID).info("two")

    assert [(line["event"], line["trace_id"]) for line in read(written)] == [("two", ID.hex)]


def test_what_is_bound_to_a_logger_is_told(written: StringIO) -> None:
    configure(written, "INFO")

    log.bind(order_id=ID).info("one")

    assert [line["trace_id"] for line in read(written)] == [ID.hex]


@pytest.mark.parametrize(
    ("stream", "format", "is_text"),
    [
        (StringIO(), "auto", False),
        (Terminal(), "auto", True),
        (StringIO(), "text", True),
        (Terminal(), "json", False),
    ],
)
def test_people_read_text_and_machines_json_unless_told_otherwise(
    stream: StringIO, format: str, is_text: bool
) -> None:
    configure(stream, "INFO", format)

    log.warning("queue.lost", orders=1)

    assert stream.getvalue().startswith("{") is not is_text
    assert ("\x1b" in stream.getvalue()) is (is_text and stream.isatty())


def test_what_libraries_say_goes_the_same_way(written: StringIO) -> None:
    configure(written, "INFO")
    library = logging.getLogger("tests.library")

    library.info("not told")
    library.warning("lost %s", "redis://u:hunter2@h")
    library.error("failed", exc_info=a_failure())

    first, second = read(written)
    assert (first["level"], first["event"]) == ("warning", "lost redis://***:***@h")
    assert first["logger"] == second["logger"] == "tests.library"
    assert (second["level"], second["error"]) == ("error", "RuntimeError: a bug")
    assert second["exception"].endswith("RuntimeError: a bug")


def test_libraries_may_not_repeat_themselves_either(written: StringIO) -> None:
    configure(written, "INFO")
    library = logging.getLogger("tests.library")

    for n in range(100):
        library.warning("lost %s", n)
        library.warning(f"lost {n}")
    logging.getLogger().handlers[0].flush()

    assert counted(written) == (2 * AT_MOST + 2, 200 - 2 * AT_MOST - 2)


def test_libraries_are_no_louder_than_we_are(written: StringIO) -> None:
    configure(written, "ERROR")

    logging.getLogger("tests.library").warning("not told")

    assert written.getvalue() == ""


def test_a_library_that_logs_what_makes_no_sense_harms_nobody(
    written: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(written, "INFO")

    logging.getLogger("tests.library").warning("lost %d", "one")

    assert "%d format: a real number is required" in capsys.readouterr().err
    assert written.getvalue() == ""


async def test_what_waits_and_what_was_kept_is_written_at_the_end(written: StringIO) -> None:
    configure(written, "INFO")
    for _ in range(50):
        log.info("sweep.hinted", count=1, reason="due")

    logging.shutdown([lambda: logging.getLogger().handlers[0]])

    assert counted(written) == (AT_MOST + 1, 50 - AT_MOST - 1)


def test_until_it_is_configured_a_process_says_what_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger.PROCESSORS[:] = [structlog.processors.KeyValueRenderer(key_order=["event"])]
    logger.tell_from("WARNING")

    log.info("one")
    log.warning("two", count=1)

    assert capsys.readouterr().err == "event='two' count=1\n"


def test_tests_see_what_is_told(told: list[EventDict]) -> None:
    observe.replayed(an_order(id=ID))

    assert told == [{"event": "order.replayed", "log_level": "info", "order_id": ID}]
