"""From the start of `wayfind mcp` to its first answers: to `initialize`, to the first partial and to the first full answer.

    python benchmarks/mcp_start.py FOLDER [--times 3] [--query TEXT]

Without an index (a fresh home every time) and with one. The client is this script, which writes lines of JSON and reads them,
so that no client's own start is counted; it asks for a search as soon as the handshake is done, and again until the answer
is not partial. Beside it what any server with the SDK needs before it can answer: a Python that imports it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AGAIN = 0.2
"""Seconds between two searches."""


class Server:
    """A server on pipes; `since` is the seconds from its start."""

    def __init__(self, folder: Path, home: Path):
        self._began, self._last = time.perf_counter(), 0
        line = [sys.executable, "-m", "wayfind", "mcp", str(folder)]
        self._process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "WAYFIND_HOME": str(home)})

    def since(self) -> float:
        return time.perf_counter() - self._began

    def tell(self, method: str, params: dict | None = None, **more) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params or {}, **more}
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def ask(self, method: str, params: dict) -> dict:
        self._last += 1
        self.tell(method, params, id=self._last)
        while (answer := json.loads(self._process.stdout.readline())).get("id") != self._last:
            pass
        return answer["result"]

    def end(self) -> None:
        self._process.communicate()


def start(folder: Path, home: Path, query: str) -> dict[str, float]:
    """Seconds from the start to each event; `partial` is missing where the first answer was full."""
    server, spent = Server(folder, home), {}
    server.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "benchmark", "version": "1"}})
    spent["initialize"] = server.since()
    server.tell("notifications/initialized")
    while True:
        answer = server.ask("tools/call", {"name": "search", "arguments": {"query": query}})
        if not answer["structuredContent"]["partial"]:
            break
        spent.setdefault("first partial answer", server.since())
        time.sleep(AGAIN)
    spent["first full answer"] = server.since()
    began = server.since()
    server.ask("tools/call", {"name": "search", "arguments": {"query": query}})
    spent["the same search again"] = server.since() - began
    server.end()
    return spent


def timed(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--query", default="how are urls resolved to views")
    options = parser.parse_args()
    rows: dict[str, list[float]] = {}
    for _ in range(options.times):
        rows.setdefault("Python alone", []).append(timed("pass"))
        rows.setdefault("Python importing the SDK's server", []).append(timed("import mcp.server"))
        with tempfile.TemporaryDirectory() as home:
            for name in ("without an index", "with an index"):
                for event, seconds in start(options.folder.resolve(), Path(home), options.query).items():
                    rows.setdefault(f"{name}: {event}", []).append(seconds)
    print(f"{options.folder.name}, {options.times} starts; seconds: least, median, most; median beside the SDK's import alone")
    sdk = statistics.median(rows["Python importing the SDK's server"])
    for name, spent in rows.items():
        middle = statistics.median(spent)
        print(f"{name:<48} {min(spent):8.3f} {middle:8.3f} {max(spent):8.3f}   {middle / sdk:6.2f} ×")


if __name__ == "__main__":
    main()
