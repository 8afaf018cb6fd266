import collections
import threading


class PageCache:
    def __init__(self, capacity):
        self.capacity = capacity
        self.hits = self.misses = 0
        self._pages = collections.OrderedDict()
        self._lock = threading.Lock()

    def get(self, url):
        with self._lock:
            if url not in self._pages:
                self.misses += 1
                return None
            self.hits += 1
            self._pages.move_to_end(url)
            return self._pages[url]

    def put(self, url, page):
        with self._lock:
            self._pages[url] = page
            while len(self._pages) > self.capacity:
                self._pages.popitem(last=False)

    def invalidate(self, prefix):
        with self._lock:
            for url in [url for url in self._pages if url.startswith(prefix)]:
                del self._pages[url]
