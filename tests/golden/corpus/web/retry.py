"""Call again what failed for a reason that may pass."""

import functools
import random
import time

TRANSIENT = (ConnectionError, TimeoutError)


def with_backoff(attempts=5, base=0.1, most=10.0, sleep=time.sleep):
    """Decorator: repeat a call on transient errors, waiting longer each time, with jitter.

    The last error is raised unchanged. Other errors are raised at once.
    """

    def decorate(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            for attempt in range(attempts):
                try:
                    return function(*args, **kwargs)
                except TRANSIENT:
                    if attempt + 1 == attempts:
                        raise
                    sleep(pause(attempt, base, most))

        return call

    return decorate


def pause(attempt, base, most):
    """Seconds to wait after a failed attempt: exponential, full jitter."""
    return random.uniform(0, min(most, base * 2**attempt))
