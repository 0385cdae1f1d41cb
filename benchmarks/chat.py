"""What the chat client costs: share of the ideal throughput, a core's time per request, memory.

    python benchmarks/chat.py --peers PYTHON --out DIR [--rounds 30] [--num-memory 100000]

A local server answers after 2 s, whatever is in flight. Ours, the openai package's AsyncOpenAI
under a semaphore and distilabel's OpenAILLM ask the same requests with 64 and with 512 in flight,
one after the other. PYTHON is an interpreter with the other two (`pip install "distilabel[openai]"
requests`). The ideal is rounds x 2 s: connections, the search for a pace and the last reply all
count against a client. Ours also keeps each reply on the disk; the others keep none.
Then ours alone asks --num-memory requests of a server that answers after 0.2 s, to see its memory.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sense.command import run_script
from sense.facts import code_version, versions
from sense.result import text_table

FOLDER = Path(__file__).parent
LATENCY = 2.0
SHORT_LATENCY = 0.2
"""Of the run for memory, which would take over six minutes with 512 in flight and 2 s."""
IN_FLIGHT = (64, 512)
CLIENTS = ("ours", "openai", "distilabel")
GOAL = 0.9


def main() -> None:
    arguments = parse_arguments()
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    clients = CLIENTS if arguments.peers else CLIENTS[:1]
    runs = [
        measured(client, arguments.peers, LATENCY, in_flight * arguments.rounds, in_flight)
        for in_flight in arguments.in_flight
        for client in clients
    ]
    memory = None
    if arguments.num_memory:
        memory = measured("ours", "", SHORT_LATENCY, arguments.num_memory, IN_FLIGHT[-1])
    results = {"versions": versions(), "commit": code_version()[0], "load": os.getloadavg()}
    results |= {"runs": runs, "memory": memory}
    (out / "chat.json").write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    print(report(runs, memory))


def measured(client: str, peers: str, latency: float, num: int, in_flight: int) -> dict[str, Any]:
    """One client in a process of its own, with a server of its own."""
    python = sys.executable if client == "ours" else peers
    with load_server(latency) as base_url, tempfile.TemporaryDirectory() as folder:
        command = [python, str(FOLDER / "chat_client.py"), client, "--base-url", base_url]
        command += ["--num", str(num), "--in-flight", str(in_flight)]
        command += ["--cache", f"{folder}/replies.sqlite"] if client == "ours" else []
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["nothing was said"]
        raise RuntimeError(f"{client} ended with status {done.returncode}: {last[0]}")
    found = json.loads(done.stdout.splitlines()[-1])
    ideal = num / in_flight * latency
    print(f"{client}, {in_flight} in flight: {found['seconds']:.1f} s, ideal {ideal:.1f} s")
    return {"client": client, "in_flight": in_flight, "share": ideal / found["seconds"], **found}


@contextmanager
def load_server(latency: float) -> Iterator[str]:
    """The address of a server that answers after so many seconds."""
    command = [sys.executable, str(FOLDER / "load_server.py"), "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def report(runs: list[dict[str, Any]], memory: dict[str, Any] | None) -> str:
    """The table of the runs, and how memory grew."""
    columns = ("client", "in flight", "requests", "failed", "of ideal", "core ms", "peak MB")
    rows = [
        (
            run["client"],
            run["in_flight"],
            run["num"],
            run["num_failed"],
            f"{run['share']:.1%}",
            round(run["cpu_ms"], 2),
            round(max(run["memory_mb"])),
        )
        for run in runs
    ]
    text = f"{text_table(columns, rows)}\n(goal: {GOAL:.0%} of the ideal)"
    if memory:
        shown = ", ".join(f"{megabytes:.0f}" for megabytes in memory["memory_mb"])
        text += f"\n\nmemory over {memory['num']:,} requests, MB at each twentieth: {shown}"
        text += f"\ncore per request {memory['cpu_ms']:.2f} ms, {memory['seconds']:.0f} s in all"
    return text


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--peers", metavar="PYTHON", default="", help="interpreter with openai and distilabel")
    add("--rounds", type=int, default=30, help="requests per slot in flight (default 30: a minute)")
    add("--in-flight", type=int, nargs="+", default=IN_FLIGHT)
    add("--num-memory", type=int, default=100_000, help="0 = none (default 100000)")
    add("--out", required=True, metavar="DIR")
    return parser.parse_args()


if __name__ == "__main__":
    run_script(main)
