"""The least that evaluation can cost: every gold and prediction of a file, run and fetched by apsw.

    python benchmarks/bare.py FILE.jsonl DATABASES

One connection per database, one process, nothing compared, no limits. Prints JSON: seconds of the
loop without start-up, queries, and those that failed. It runs what it is given: only for files
whose queries are known to end and to write nothing.
"""

import json
import sys
import time
from pathlib import Path

import apsw

from sense.database import database_paths
from sense.inputs.reading import read_predictions


def main(file: str, databases: str) -> None:
    predictions = list(read_predictions(file))
    paths = database_paths(databases)
    connections: dict[str, apsw.Connection] = {}
    num_failed = 0
    started = time.perf_counter()
    for prediction in predictions:
        if prediction.db_id not in connections:
            connections[prediction.db_id] = open_file(paths[prediction.db_id])
        for sql in (prediction.gold, prediction.pred):
            try:
                connections[prediction.db_id].execute(sql).fetchall()
            except apsw.Error:
                num_failed += 1
    seconds = time.perf_counter() - started
    num = 2 * len(predictions)
    print(json.dumps({"seconds": seconds, "num_queries": num, "num_failed": num_failed}))


def open_file(path: Path) -> apsw.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


if __name__ == "__main__":
    main(*sys.argv[1:])
