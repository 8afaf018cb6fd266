"""Sessions, with a clock that the test turns."""

import pytest

from web.sessions import SessionExpired, SessionStore


def test_session_expires_when_idle(clock):
    store = SessionStore({}, idle_seconds=60, clock=clock)
    token = store.create("ada")
    clock.now += 61
    with pytest.raises(SessionExpired):
        store.load(token)


def test_revoke_all_logs_out_every_device(clock):
    store = SessionStore({}, clock=clock)
    tokens = [store.create("ada") for _ in range(3)]
    store.revoke_all("ada")
    for token in tokens:
        with pytest.raises(SessionExpired):
            store.load(token)


def test_purge_counts_deleted_sessions(clock):
    store = SessionStore({}, idle_seconds=60, clock=clock)
    store.create("ada")
    clock.now += 61
    assert store.purge() == 1
