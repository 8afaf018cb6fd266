"""One resident process under load: whole commands with it and without, its memory at rest, and many clients beside one.

    python benchmarks/resident.py FOLDER [--seconds 30] [--clients 32] [--write]

Clients speak to the socket from processes of their own, each a request after the other. Times are of one run on a machine
that may be shared: quote them as ratios.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import heading, write_result
from measure import percentile as quantile

QUERIES = (
    "how is a request retried", "where are settings read", "parse the command line", "open and close a session", "Retry", "test for empty input",
    "raise an error for a wrong type", "cache of compiled patterns", "write results to a file", "convert to a string",
)  # fmt: skip
RUNS = 15


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("folder", type=Path)
    asked.add_argument("--seconds", type=float, default=30.0)
    asked.add_argument("--clients", type=int, default=32)
    asked.add_argument("--write", action="store_true", help="keep the figures in benchmarks/results/resident.txt")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["WAYFIND_HOME"] = home
        command = [sys.executable, "-m", "wayfind"]
        subprocess.run([*command, "index", options.folder], check=True, stdout=subprocess.DEVNULL)
        rows = [heading(f"one resident process, {options.folder.resolve().name}; load of the machine {os.getloadavg()[0]:.1f}")]
        alone = whole([*command, "search", "--no-resident"], options.folder)
        subprocess.run([*command, "serve", "--background", options.folder], check=True, stdout=subprocess.DEVNULL)
        try:
            whole([*command, "search"], options.folder)  # the watch begins
            helped = whole([*command, "search"], options.folder)
            start = whole([*command, "version"], None)
            rows.append(f"whole process, median of {RUNS}: alone {alone:.0f} ms, with the resident process {helped:.0f} ms ({alone / helped:.1f} times); `version` {start:.0f} ms")
            told = status()
            rows.append(f"at rest: {told['memory'] / 2**20:.0f} MiB, {told['repositories'][0]['watching']}")
            one = load(options.folder, 1, min(options.seconds, 10))
            many = load(options.folder, options.clients, options.seconds)
            for name, (times, errors) in (("1 client", one), (f"{options.clients} clients", many)):
                rows.append(f"{name}: {len(times):,} answers, {errors} errors, p50 {quantile(times, 0.5):.1f} ms, p99 {quantile(times, 0.99):.1f} ms, {len(times) / sum(times) * 1e3 * int(name.split()[0]):.0f} a second")
            rows.append(f"p50 {quantile(many[0], 0.5) / quantile(one[0], 0.5):.1f} times, p99 {quantile(many[0], 0.99) / quantile(one[0], 0.99):.1f} times that of one client")
            rows.append(f"afterwards: {status()['memory'] / 2**20:.0f} MiB")
        finally:
            subprocess.run([*command, "serve", "--stop"], check=False, stdout=subprocess.DEVNULL)
    text = "\n".join(rows)
    write_result("resident.txt", text) if options.write else print(text)


def whole(command: list[str], folder: Path | None) -> float:
    """Median milliseconds of a command from its start to its end."""
    times = []
    for run in range(RUNS):
        began = time.perf_counter()
        subprocess.run([*command, *([QUERIES[run % len(QUERIES)], folder] if folder else [])], check=False, stdout=subprocess.DEVNULL)
        times.append((time.perf_counter() - began) * 1e3)
    return quantile(times, 0.5)


def load(folder: Path, clients: int, seconds: float) -> tuple[list[float], int]:
    """Milliseconds of each answer, and the number of requests that got none."""
    with multiprocessing.get_context("spawn").Pool(clients) as pool:
        found = pool.starmap(ask_on, [(str(folder.resolve()), number, seconds) for number in range(clients)], chunksize=1)
    return [time for times, _ in found for time in times], sum(errors for _, errors in found)


def ask_on(root: str, number: int, seconds: float) -> tuple[list[float], int]:
    """One client: requests one after the other."""
    from wayfind.serve.client import asked
    from wayfind.serve.request import Request

    times, errors, end = [], 0, time.monotonic() + seconds
    while time.monotonic() < end:
        request = Request("search", (root,), QUERIES[(number + len(times)) % len(QUERIES)])
        began = time.perf_counter()
        errors += asked(lambda: request) is None
        times.append((time.perf_counter() - began) * 1e3)
    return times, errors


def status() -> dict:
    from wayfind.serve.client import exchange
    from wayfind.serve.protocol import address

    return exchange(address(), lambda: {"do": "status"})


if __name__ == "__main__":
    main()
