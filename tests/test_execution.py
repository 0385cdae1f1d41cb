"""Queries run on real files, cannot change them, and always come to an end."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import apsw
import pytest
from conftest import write_database

from sense.execution import (
    Execution,
    Limits,
    OverrunError,
    WorkerFailure,
    execute,
    map_in_workers,
)
from sense.workers import MAX_WORKER_BYTES, worker_pool

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
ONE_OPCODE_BOMB = "SELECT instr(zeroblob(9000000), zeroblob(4500000) || x'01')"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM city;",
        "SELECT count(*) FROM city ; ;\n-- done",
        "/* first */ SELECT count(*) FROM city -- last",
        "WITH c AS (SELECT * FROM city) SELECT count(*) FROM c",
        "VALUES (8)",
        "SELECT value FROM json_each('[8]')",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n LIMIT 8) SELECT max(i) FROM n",
    ],
)
def test_reading_statement_is_run(world: Path, sql: str) -> None:
    execution = execute(world, sql)
    assert (execution.status, execution.rows) == ("ok", ((8,),))


def test_execution_tells_columns_steps_and_time(world: Path) -> None:
    execution = execute(world, "SELECT name AS city, population FROM city WHERE id > 100")
    assert execution.columns == ("city", "population")
    assert execution.rows == ()
    assert execution.steps > 0
    assert execution.seconds > 0


def test_steps_are_the_same_in_every_run(world: Path) -> None:
    sql = "SELECT country_code, count(*) FROM city GROUP BY 1 ORDER BY 2"
    assert len({execute(world, sql).steps for _ in range(5)}) == 1


def test_values_keep_their_types(world: Path) -> None:
    execution = execute(world, "SELECT 1, 1.5, 'é', x'00ff', NULL, 1e999")
    assert execution.rows == ((1, 1.5, "é", b"\x00\xff", None, float("inf")),)


def test_double_quoted_text_that_names_no_column_is_a_string(world: Path) -> None:
    assert execute(world, 'SELECT "Paris", "name" FROM city WHERE id = 1').rows == (
        ("Paris", "Shanghai"),
    )


def test_invalid_utf8_is_read_with_its_bytes_shown(tmp_path: Path) -> None:
    path = write_database(
        tmp_path / "latin.sqlite",
        "CREATE TABLE t(a, b); INSERT INTO t VALUES (CAST(x'4dfc6c6c6572' AS TEXT), 2), ('ok', 1);",
    )
    execution = execute(path, "SELECT a, b, x'ff' FROM t ORDER BY b; -- by number")
    assert execution.status == "ok"
    assert execution.invalid_text
    assert execution.columns == ("a", "b", "x'ff'")
    assert execution.rows == (("ok", 1, b"\xff"), ("M\\xfcller", 2, b"\xff"))
    assert not execute(path, "SELECT a FROM t WHERE b = 1").invalid_text


def test_invalid_utf8_in_a_column_name_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "odd.sqlite"
    write_database(path, "CREATE TABLE t(abcdef); INSERT INTO t VALUES (1);")
    path.write_bytes(path.read_bytes().replace(b"abcdef", b"ab\xff\xfeef"))
    assert execute(path, "SELECT * FROM t").status in ("ok", "error")


@pytest.mark.parametrize(
    ("limits", "sql", "error"),
    [
        (Limits(max_steps=500), "SELECT count(*) FROM city a, city b, city c", "500 steps"),
        (Limits(max_seconds=0.2, max_steps=0), ENDLESS + "SELECT count(*) FROM n", "0.2 seconds"),
        (Limits(max_rows=7), "SELECT * FROM city", "7 rows"),
        (Limits(max_result_bytes=40), "SELECT name FROM city", "40 bytes"),
        (Limits(max_result_bytes=800), ENDLESS + "SELECT '', x'' FROM n", "800 bytes"),
        (
            Limits(max_heap_bytes=8_000_000),
            ENDLESS + "SELECT hex(zeroblob(1000)) FROM n ORDER BY random()",
            "out of memory",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_each_limit_stops_the_query_and_is_named(
    world: Path, limits: Limits, sql: str, error: str
) -> None:
    execution = execute(world, sql, limits)
    assert execution.status == "limit"
    assert error in execution.error
    assert execute(world, "SELECT 1").rows == ((1,),)


@pytest.mark.parametrize(
    "limits",
    [Limits(max_steps=0, max_seconds=0.2), Limits(max_heap_bytes=8_000_000)],
    ids=["seconds", "heap"],
)
def test_backstop_can_be_told_from_what_every_machine_would_say(
    world: Path, limits: Limits
) -> None:
    sql = ENDLESS + "SELECT hex(zeroblob(1000)) FROM n ORDER BY random()"
    assert execute(world, sql, limits).status == "limit"
    with pytest.raises(OverrunError):
        execute(world, sql, replace(limits, raises_at_backstop=True))
    few_steps = Limits(max_steps=5_000, raises_at_backstop=True)
    assert execute(world, sql, few_steps).status == "limit"
    few_bytes = Limits(max_result_bytes=800, raises_at_backstop=True)
    assert execute(world, ENDLESS + "SELECT i FROM n", few_bytes).status == "limit"


def test_memory_that_was_held_before_is_not_taken_from_a_query(world: Path) -> None:
    sort = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) "
    sort += "SELECT zeroblob(9000) FROM n ORDER BY -i"
    limits = Limits(max_heap_bytes=8_000_000)
    with closing(apsw.Connection(":memory:")) as copy:
        copy.execute("CREATE TABLE t AS SELECT zeroblob(16000000) AS a")
        assert execute(world, sort, limits).status == "ok"
    assert execute(world, sort.replace("400", "4000"), limits).status == "limit"


def test_heap_limit_of_the_process_is_put_back(world: Path) -> None:
    before = apsw.hard_heap_limit(-1)
    execute(world, "SELECT 1", Limits(max_heap_bytes=50_000_000))
    assert apsw.hard_heap_limit(-1) == before


def test_two_threads_can_execute_at_once(world: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as threads:
        found = threads.map(lambda i: execute(world, f"SELECT {i} FROM city").rows[0], range(200))
        assert list(found) == [(i,) for i in range(200)]


@pytest.fixture(params=["fresh", "copied"])
def start(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How workers are started: as they are where this process has much loaded, or as copies."""
    if request.param == "copied" and sys.platform != "linux":
        pytest.skip("processes are copied on Linux only")
    monkeypatch.setattr("sense.workers._is_lean", lambda: request.param == "copied")
    return str(request.param)


def square(number: int) -> int:
    return number * number


def misbehave(item: str) -> str:
    if item == "hang":
        time.sleep(600)
    if item == "die":
        os._exit(9)
    if item == "abort":
        os.abort()
    if item == "raise":
        raise ValueError("cannot do this")
    return item.upper()


def take(num_bytes: int) -> int:
    return len(bytearray(num_bytes))


def overrun_alone(marks: str) -> str:
    """Succeeds at the second try; its argument is a folder for marks of tries, or "never"."""
    if marks == "never":
        raise OverrunError("more than 30 seconds")
    mark = Path(marks) / "tried"
    if not mark.exists():
        mark.touch()
        raise OverrunError("more than 30 seconds")
    return "done"


def process_of(_: object) -> int:
    return os.getpid()


def heavy_modules(_: object) -> list[str]:
    heavy = {"torch", "transformers", "datasets", "gradio", "numpy", "pandas", "pyarrow"}
    return sorted(heavy & set(sys.modules))


def test_workers_of_a_pool_serve_one_sequence_after_the_other() -> None:
    with worker_pool(process_of, 1, 60) as run:
        first, second = set(run([1, 2, 3])), set(run(iter([4])))
    assert first == second
    assert os.getpid() not in first


def test_results_left_unread_are_not_those_of_the_next_sequence() -> None:
    with worker_pool(square, 2, 60) as run:
        assert next(run(range(1000))) == 0
        assert list(run(iter([100, 101, 102, 103]))) == [10_000, 10_201, 10_404, 10_609]


def test_results_keep_the_order_of_items(start: str) -> None:
    assert list(map_in_workers(square, range(1000), 2, 60)) == [i * i for i in range(1000)]
    assert list(map_in_workers(square, [], 2, 60)) == []
    assert list(map_in_workers(square, [3], 0, 60)) == [9]


def test_items_are_taken_as_needed() -> None:
    taken = []

    def numbers() -> Iterator[int]:
        for i in range(10**9):
            taken.append(i)
            yield i

    results = map_in_workers(square, numbers(), 1, 60)
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    results.close()
    assert len(taken) < 10_000


def test_only_the_item_at_fault_fails(start: str) -> None:
    items = ["a", "b", "hang", "c", "die", "d"] + ["e"] * 50
    results = list(map_in_workers(misbehave, items, 2, 1.0))
    failures = {i: r.status for i, r in enumerate(results) if isinstance(r, WorkerFailure)}
    assert failures == {2: "limit", 4: "crash"}
    assert [r for r in results if isinstance(r, str)] == ["A", "B", "C", "D"] + ["E"] * 50


@pytest.mark.parametrize("num_workers", [0, 1])
def test_item_that_overruns_is_tried_once_more(tmp_path: Path, num_workers: int) -> None:
    items = [str(tmp_path), "never", str(tmp_path)]
    results = list(map_in_workers(overrun_alone, items, num_workers, 60))
    assert results == ["done", WorkerFailure("limit", "more than 30 seconds"), "done"]


def test_item_that_takes_all_memory_fails_alone(start: str) -> None:
    first, greedy, last = map_in_workers(take, [1, 2 * MAX_WORKER_BYTES, 3], 1, 60)
    assert (first, last) == (1, 3)
    assert isinstance(greedy, WorkerFailure) and greedy.status == "limit"
    assert greedy.error == "more than 4,000,000,000 bytes of memory"


def test_worker_that_crashes_leaves_no_file(
    start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        [failure] = map_in_workers(misbehave, ["abort"], 1, 60)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert isinstance(failure, WorkerFailure) and failure.status == "crash"
    assert list(tmp_path.iterdir()) == []


def test_exception_is_raised_at_its_place(start: str) -> None:
    results = map_in_workers(misbehave, ["a", "raise", "b"], 1, 60)
    assert next(results) == "A"
    with pytest.raises(ValueError, match="cannot do this") as error:
        next(results)
    assert "misbehave" in error.value.__notes__[0]


def test_stuck_one_opcode_query_is_killed(world: Path, start: str) -> None:
    run = partial(execute, world, limits=Limits(max_seconds=0.5))
    first, bomb, last = map_in_workers(
        run, ["SELECT 1", ONE_OPCODE_BOMB, "SELECT 2"], num_workers=1, max_seconds=1.5
    )
    assert isinstance(first, Execution) and first.rows == ((1,),)
    assert isinstance(bomb, WorkerFailure) and bomb.status == "limit"
    assert isinstance(last, Execution) and last.rows == ((2,),)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_no_worker_outlives_its_iterator(start: str) -> None:
    results = map_in_workers(process_of, range(10_000), 2, 60)
    processes = {next(results) for _ in range(500)}
    assert all(_is_running(process) for process in processes)
    results.close()
    assert not any(_is_running(process) for process in processes)


def test_no_worker_outlives_an_interrupt(start: str) -> None:
    processes = set()
    with pytest.raises(KeyboardInterrupt):
        for process in map_in_workers(process_of, range(10_000), 1, 60):
            processes.add(process)
            raise KeyboardInterrupt
    assert not any(_is_running(process) for process in processes)


@pytest.mark.parametrize("first", ["", "import numpy; "], ids=["copied", "fresh"])
def test_no_busy_worker_outlives_a_killed_parent(world: Path, first: str) -> None:
    script = (
        f"{first}import sys; sys.path[:0] = sys.argv[1:3]; from test_execution import *\n"
        "for p in map_in_workers(announce_and_hang, [0], 1, 0): pass"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, _roots())], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 30
    while _is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _is_running(worker)


def announce_and_hang(_: object) -> None:
    print(os.getpid(), flush=True)
    time.sleep(600)


def _roots() -> list[Path]:
    return [Path(__file__).parents[1], Path(__file__).parent]


def test_worker_imports_nothing_heavy() -> None:
    import sense.verdict

    assert sense.verdict
    assert list(map_in_workers(heavy_modules, [0], 1, 60)) == [[]]


def state_of(_: object) -> tuple[int, int, str]:
    """Its session, what it reads from its input, and where its main script would be."""
    return os.getsid(0), len(os.read(0, 1)), getattr(sys.modules["__main__"], "__file__", "")


def test_worker_has_a_session_and_an_input_of_its_own_and_no_main_script(start: str) -> None:
    [found] = map_in_workers(state_of, [0], 1, 60)
    assert isinstance(found, tuple)
    assert found[0] != os.getsid(0)
    assert found[1:] == (0, "")


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")
@pytest.mark.parametrize(
    ("state", "is_copied"),
    [
        ("pass", True),
        ("import sense.verdict", True),
        ("import numpy", False),
        ("import apsw; connection = apsw.Connection(':memory:')", False),
        ("import threading; threading.Timer(600, print).start()", False),
        ("blob = bytearray(300_000_000)", False),
    ],
)
def test_only_a_lean_process_is_copied(state: str, is_copied: bool) -> None:
    program = (
        f"import os, sys; from sense import workers; {state}\n"
        "print(workers._is_lean(), flush=True); os._exit(0)"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, check=True, capture_output=True, text=True
    )
    assert done.stdout == f"{is_copied}\n"


@pytest.mark.parametrize("first", ["", "import numpy\n"], ids=["copied", "fresh"])
def test_function_of_the_main_script_is_explained(tmp_path: Path, first: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"{first}from sense.execution import map_in_workers\n"
        "def double(i): return 2 * i\n"
        "print(list(map_in_workers(double, [1], 1, 60)))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env=environment, check=False
    )
    assert "Put the function and its arguments' classes in a module" in done.stderr
