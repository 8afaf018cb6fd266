"""What lies on the shelves, and what of it is promised to somebody."""

import time


class OutOfStock(LookupError):
    """There is less of an article than was asked for."""


class Warehouse:
    """Counts articles. A reservation holds articles for a while without taking them off the shelf."""

    HOLD_SECONDS = 900

    def __init__(self, counts, clock=time.time):
        self._counts, self._held, self._clock = dict(counts), {}, clock

    def reserve(self, lines):
        """Hold the articles of all lines or of none, and return the reservation."""
        for line in lines:
            if self.available(line.article) < line.count:
                raise OutOfStock(f"only {self.available(line.article)} of {line.article} are left")
        key = object()
        self._held[key] = (self._clock() + self.HOLD_SECONDS, {line.article: line.count for line in lines})
        return key

    def release(self, key):
        """Give a reservation up; one that has lapsed is no error."""
        self._held.pop(key, None)

    def available(self, article):
        """Articles on the shelf that nobody holds."""
        held = sum(counts.get(article, 0) for _, counts in self._held.values())
        return self._counts.get(article, 0) - held

    def expire_reservations(self):
        """Forget reservations whose time is over; called every minute."""
        now = self._clock()
        self._held = {key: entry for key, entry in self._held.items() if entry[0] > now}
