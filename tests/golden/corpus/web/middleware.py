"""What every request passes through, from the outside in."""

import hmac
import logging
import time

from web.sessions import SessionExpired

log = logging.getLogger(__name__)


class TooManyRequests(Exception):
    """Answered with status 429."""


class Throttle:
    """At most `rate` requests a second for each address, with bursts of `burst` (token bucket)."""

    def __init__(self, rate, burst, clock=time.monotonic):
        self.rate, self.burst, self._clock, self._buckets = rate, burst, clock, {}

    def __call__(self, request, handler):
        left, then = self._buckets.get(request.address, (self.burst, self._clock()))
        now = self._clock()
        left = min(self.burst, left + (now - then) * self.rate)
        if left < 1:
            raise TooManyRequests(request.address)
        self._buckets[request.address] = (left - 1, now)
        return handler(request)


def require_login(store):
    """Let only visitors with a live session through; others are sent to the form."""

    def middleware(request, handler):
        try:
            request.user = store.load(request.cookies.get("sid", ""))
        except SessionExpired:
            return redirect("/login?next=" + request.path)
        return handler(request)

    return middleware


def check_form_token(request, handler):
    """Refuse a form that another site sent (CSRF)."""
    if request.method == "POST" and not hmac.compare_digest(request.form["token"], request.user.form_token):
        log.warning("forged form from %s", request.address)
        return forbidden()
    return handler(request)


def error_page(request, handler):
    try:
        return handler(request)
    except Exception:
        log.exception("unhandled error in %s", request.path)
        return page("Something went wrong", status=500)
