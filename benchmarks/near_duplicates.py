"""Libraries that sign texts by MinHash: how many times faster one is than the other, and how far each is from the true similarity.

    pip install rensa datasketch && python benchmarks/near_duplicates.py
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence

from wayfind.train.duplicates import SLOTS, shingles

TEXTS, TOKENS = 2000, 120


def texts(rng: random.Random) -> list[tuple[list[str], list[str]]]:
    """Pairs of token runs that share a drawn share of their tokens."""
    made = []
    for _ in range(TEXTS // 2):
        one = [f"t{rng.randrange(10**5)}" for _ in range(TOKENS)]
        kept = rng.randrange(TOKENS + 1)
        made.append((shingles(" ".join(one)), shingles(" ".join(one[:kept] + [f"o{rng.randrange(10**5)}" for _ in range(TOKENS - kept)]))))
    return made


def rensa(runs: Sequence[str]):
    from rensa import RMinHash

    made = RMinHash(num_perm=SLOTS, seed=1)
    made.update(runs)
    return made


def datasketch(runs: Sequence[str]):
    from datasketch import MinHash

    made = MinHash(num_perm=SLOTS)
    made.update_batch([run.encode() for run in runs])
    return made


def measured(sign: Callable, pairs: Sequence[tuple[list[str], list[str]]]) -> tuple[float, float, float]:
    """Texts a second, and mean and standard deviation of the error of the similarity."""
    start = time.perf_counter()
    signed = [(sign(a), sign(b)) for a, b in pairs]
    speed = 2 * len(pairs) / (time.perf_counter() - start)
    errors = [x.jaccard(y) - len(set(a) & set(b)) / len(set(a) | set(b)) for (x, y), (a, b) in zip(signed, pairs, strict=True)]
    return speed, statistics.mean(errors), statistics.stdev(errors)


def main() -> None:
    pairs = texts(random.Random(0))
    figures = {sign.__name__: measured(sign, pairs) for sign in (rensa, datasketch)}
    for name, (_, bias, spread) in figures.items():
        print(f"{name}: error of the similarity {bias:+.4f} ± {spread:.4f}")
    print(f"rensa signs {figures['rensa'][0] / figures['datasketch'][0]:.0f} times as many texts of {TOKENS} tokens")


if __name__ == "__main__":
    main()
