"""What the benchmarks share: the machine and commit that a result names, timed child processes, percentiles."""

from __future__ import annotations

import datetime
import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Run:
    """A finished child process: seconds from start to end, peak resident memory in bytes, what it printed."""

    seconds: float
    peak: int
    output: str
    code: int


def run(command: Sequence[str], **environment: str) -> Run:
    """Run a command alone and measure it by the system's own accounting."""
    wrapper = (
        "import os, resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True);"
        "sys.stdout.write(done.stdout); sys.stderr.write('\\nPEAK %d' % resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.returncode)"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", wrapper, *command], capture_output=True, text=True, env={**os.environ, **environment})
    seconds = time.perf_counter() - began
    peak = int(re.search(r"PEAK (\d+)", done.stderr).group(1)) * (1 if sys.platform == "darwin" else 1024)
    return Run(seconds - _EMPTY, peak, done.stdout, done.returncode)


def _empty() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import os, resource, subprocess, sys"], check=True)
    return time.perf_counter() - began


_EMPTY = _empty()
"""Seconds that the wrapper's own interpreter takes; subtracted from what is measured."""


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def own_peak() -> int:
    """Peak resident memory of this process in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def checked(clones: Path, name: str, commit: str) -> Path:
    """The folder of a repository, which must stand at the commit."""
    folder = next((place for place in (clones / name.replace("/", "+"), clones / name.rpartition("/")[2]) if place.is_dir()), None)
    if folder is None:
        sys.exit(f"{name} is not in {clones}")
    head = subprocess.run(["git", "-C", os.fspath(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    if head != commit:
        sys.exit(f"{folder} stands at {head or 'no commit'}, the questions were written at {commit}")
    return folder


def heading(what: str) -> str:
    """The lines that say from where a result comes."""
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip() or "unknown"
    dirty = subprocess.run(["git", "-C", HERE, "status", "--porcelain", "--", "../src"], capture_output=True, text=True).stdout.strip()
    model = next((line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    arguments = " ".join(Path(a).name if os.sep in a else a for a in sys.argv[1:])
    return (
        f"{what}\ncommit {commit}{' with changes' if dirty else ''} · {datetime.date.today()} · {os.cpu_count()} cores, {model}, "
        f"Python {platform.python_version()}\ncommand: python benchmarks/{Path(sys.argv[0]).name} {arguments}\n"
    )


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def write_result(name: str, text: str) -> None:
    """Print a result and keep it in benchmarks/results."""
    print(text)
    (HERE / "results" / name).write_text(text.rstrip() + "\n")
