"""Call again what failed. Copy from release 1, for plugins that import it from here."""

import functools
import random
import time


def with_backoff(attempts=5, base=0.1, most=10.0, sleep=time.sleep):
    """Decorator: repeat a call on every error, waiting longer each time."""

    def decorate(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            for attempt in range(attempts):
                try:
                    return function(*args, **kwargs)
                except Exception:
                    sleep(pause(attempt, base, most))

        return call

    return decorate


def pause(attempt, base, most):
    """Seconds to wait after a failed attempt: exponential, full jitter."""
    return random.uniform(0, min(most, base * 2**attempt))
