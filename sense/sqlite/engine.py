"""Where judging runs: in worker processes of this machine, or spread over a Ray cluster.

Both engines map the same function with the contract of `map_in_workers`, so a verdict does not
depend on the engine. Ray Data moves blocks of items to the cluster; there each block runs in a
killable worker process of its own, because a Ray worker cannot stop a query that hangs in SQLite.
Every machine of the cluster must see the database files under the same paths.
"""

import itertools
import logging
import pickle
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import ModuleType
from typing import Any, Literal, TypeAlias, TypeVar

from sense.workers import WorkerFailure, map_in_workers

Engine: TypeAlias = Literal["local", "ray"]
Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_WINDOW = 65_536  # items in the cluster at a time: bounds memory
MAX_BLOCK = 1024
BLOCKS_PER_WORKER = 4  # of one window, so that a slow block does not keep the others waiting


def map_on_engine(
    engine: Engine,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    num_workers: int,
    max_seconds: float,
) -> Iterator[Result | WorkerFailure]:
    """`map_in_workers` on the engine: same results, same order.

    num_workers: with `ray`, blocks that run at a time, one CPU each; 0 = as many as the cluster has
    CPUs. Raises ModuleNotFoundError where Ray is not installed.

    >>> list(map_on_engine("local", len, ["a", "bcd"], num_workers=1, max_seconds=60))
    [1, 3]
    """
    if engine == "local":
        return map_in_workers(function, items, num_workers, max_seconds)
    return _map_on_ray(function, items, num_workers, max_seconds)


def _map_on_ray(
    function: Callable[[Item], Result], items: Iterable[Item], num_workers: int, max_seconds: float
) -> Iterator[Result | WorkerFailure]:
    """Windows of items become data sets of numbered, pickled blocks, one row each."""
    ray = _connected_ray()
    num_workers = num_workers or int(ray.cluster_resources()["CPU"])
    run = partial(_run_block, pickle.dumps(function), max_seconds)
    source = iter(items)
    while window := list(itertools.islice(source, MAX_WINDOW)):
        size = min(-(-len(window) // (num_workers * BLOCKS_PER_WORKER)), MAX_BLOCK)
        blocks = [
            {"number": number, "items": pickle.dumps(window[start : start + size])}
            for number, start in enumerate(range(0, len(window), size))
        ]
        data = ray.data.from_items(blocks, override_num_blocks=len(blocks))
        at_a_time = ray.data.TaskPoolStrategy(min(num_workers, len(blocks)))
        done = data.map(run, compute=at_a_time, num_cpus=1)
        for row in sorted(done.iter_rows(), key=lambda row: row["number"]):
            results = pickle.loads(row["results"])
            if isinstance(results, Exception):
                raise results
            yield from results


def _run_block(function: bytes, max_seconds: float, row: dict[str, Any]) -> dict[str, Any]:
    """The results of one block, or the exception that the function raised; runs in the cluster."""
    items = pickle.loads(row["items"])
    try:
        outcome: Any = list(map_in_workers(pickle.loads(function), items, 1, max_seconds))
    except Exception as error:  # it is raised again by the caller of the engine
        outcome = error
    return {"number": row["number"], "results": pickle.dumps(outcome)}


def _connected_ray() -> ModuleType:
    """Ray, connected to the cluster of RAY_ADDRESS or to one that is started on this machine."""
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the engine 'ray' needs Ray ({error}); run `pip install 'sense-kit[ray]'`, or use the "
            "engine 'local'"
        ) from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells of every step it takes
    ray.data.DataContext.get_current().enable_progress_bars = False
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level=logging.WARNING)
    module: ModuleType = ray
    return module
