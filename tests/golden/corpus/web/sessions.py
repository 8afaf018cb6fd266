"""Who is logged in: sessions by an opaque token, kept on the server."""

import hashlib
import secrets
import time


class SessionExpired(Exception):
    """The visitor must log in again."""


class SessionStore:
    """Sessions in a table, found by the digest of their token."""

    def __init__(self, table, idle_seconds=1800, clock=time.time):
        self._table, self._idle, self._clock = table, idle_seconds, clock

    def create(self, user):
        """Log a user in and return the token for the cookie. The table never sees the token itself."""
        token = secrets.token_urlsafe(32)
        self._table[digest(token)] = {"user": user, "seen": self._clock()}
        return token

    def load(self, token):
        """The user who belongs to a token.

        Raises SessionExpired for a token that is unknown, revoked or idle for too long.
        """
        row = self._table.get(digest(token))
        if row is None or row["seen"] + self._idle < self._clock():
            raise SessionExpired("please log in again")
        row["seen"] = self._clock()
        return row["user"]

    def revoke(self, token):
        """Log out: the token is worth nothing from now on."""
        self._table.pop(digest(token), None)

    def revoke_all(self, user):
        """Log a user out on every device, as after a change of password."""
        for key in [key for key, row in self._table.items() if row["user"] == user]:
            del self._table[key]

    def purge(self):
        """Delete what has been idle for too long, and return how many that were."""
        before = len(self._table)
        limit = self._clock() - self._idle
        for key in [key for key, row in self._table.items() if row["seen"] < limit]:
            del self._table[key]
        return before - len(self._table)


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()
