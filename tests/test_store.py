from __future__ import annotations

import random
import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from indexes import source
from test_segment import records

from wayfind.config import default_home
from wayfind.corpus.extract import extract
from wayfind.errors import IndexDamaged, IndexError_, IndexVersion, StorageError
from wayfind.index.segment import file_postings
from wayfind.index.store import ContentStore, content_key, decode_postings, decode_record, encode_postings, encode_record
from wayfind.types import FileRecord


@pytest.fixture
def store(tmp_path: Path):
    store = ContentStore(tmp_path / "content.sqlite")
    yield store
    store.close()


def record_of(seed: int) -> FileRecord:
    record = extract(source(seed).encode(), "a.py")
    assert isinstance(record, FileRecord)
    return record


def put(store: ContentStore, *seeds: int) -> list[str]:
    keys = [content_key(str(seed), "python") for seed in seeds]
    store.put([(key, None, encode_record(record_of(seed)), encode_postings(file_postings(record_of(seed)))) for key, seed in zip(keys, seeds)])
    return keys


@settings(max_examples=60, deadline=None)
@given(records())
def test_records_and_postings_come_back(record: FileRecord) -> None:
    assert decode_record(encode_record(record)) == record
    written = file_postings(record)
    read = decode_postings(encode_postings(written))
    for name in type(written).__slots__:
        a, b = getattr(written, name), getattr(read, name)
        assert (a.tolist(), a.dtype) == (b.tolist(), b.dtype) if hasattr(a, "dtype") else a == b


@given(st.text(), st.text(), st.sampled_from(["python", "go"]))
def test_keys_depend_on_bytes_and_language(a: str, b: str, language: str) -> None:
    assert (content_key(a, language) == content_key(b, language)) == (a == b)
    assert content_key(a, "python") != content_key(a, "go")


def test_what_is_stored_is_known(store: ContentStore) -> None:
    keys = put(store, *range(3))
    store.put([("refused", "binary", b"", b"")])
    assert store.known([*keys, "refused", "absent"]) == {**dict.fromkeys(keys), "refused": "binary"}
    assert store.record(keys[1]) == record_of(1)
    assert store.postings(keys[2]).terms == file_postings(record_of(2)).terms


def test_more_keys_than_sqlite_takes_at_once(store: ContentStore) -> None:
    store.put([(f"key{i}", "binary", b"", b"") for i in range(1700)])
    assert len(store.known(f"key{i}" for i in range(2000))) == 1700
    store.delete(f"key{i}" for i in range(1600))
    assert len(store.used()) == 100


@pytest.mark.parametrize("key", ["absent", "refused"])
def test_what_is_not_there_is_named_with_its_repair(store: ContentStore, key: str) -> None:
    store.put([("refused", "binary", b"", b"")])
    with pytest.raises(IndexDamaged, match="lacks the content.*doctor --repair"):
        store.record(key)


@pytest.mark.parametrize("column", ["record", "postings", "reason", "checksum"])
def test_a_changed_column_is_damage(store: ContentStore, tmp_path: Path, column: str) -> None:
    keys = put(store, 1, 2)
    value = {"record": encode_record(record_of(3)), "postings": b"", "reason": "binary", "checksum": 1}[column]
    with sqlite3.connect(tmp_path / "content.sqlite") as other:
        other.execute(f"UPDATE content SET {column} = ? WHERE key = ?", (value, keys[0]))
    other.close()
    with pytest.raises(IndexDamaged):
        store.record(keys[0])
    assert store.check() == [keys[0]]
    assert store.record(keys[1]) == record_of(2)
    assert store.known(keys).get(keys[0]) is None  # never believed to be refused


def test_any_flipped_byte_of_the_file_is_found_or_without_effect(tmp_path: Path) -> None:
    path = tmp_path / "content.sqlite"
    store = ContentStore(path)
    keys = put(store, *range(6))
    store.vacuum()
    expected = {key: (store.record(key), store.postings(key).terms) for key in keys}
    store.close()
    whole = path.read_bytes()
    dice = random.Random(0)
    found = 0
    for place in sorted({*range(100), *dice.sample(range(len(whole)), 300)}):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << dice.randrange(8)
        for name in ("content.sqlite-wal", "content.sqlite-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        path.write_bytes(damaged)
        store = None
        for key in keys:
            try:
                store = store or ContentStore(path)
                assert (store.record(key), store.postings(key).terms) == expected[key]
            except (IndexError_, StorageError):
                found += 1
        if store:
            store.close()
    assert found


def test_a_file_that_is_no_database_is_damage(tmp_path: Path) -> None:
    (tmp_path / "content.sqlite").write_bytes(b"no database, certainly not" * 100)
    with pytest.raises(IndexDamaged, match="doctor --repair"):
        ContentStore(tmp_path / "content.sqlite")


def test_another_format_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    ContentStore(tmp_path / "content.sqlite").close()
    with sqlite3.connect(tmp_path / "content.sqlite") as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(IndexVersion, match="99.*doctor --repair"):
        ContentStore(tmp_path / "content.sqlite")


def test_two_processes_may_put_the_same(store: ContentStore, tmp_path: Path) -> None:
    other = ContentStore(tmp_path / "content.sqlite")
    keys = put(store, 1, 2)
    assert put(other, 1, 2) == keys
    assert len(store.used()) == 2 and store.check() == []
    assert other.id == store.id
    other.close()


def test_many_may_make_the_store_at_once(tmp_path: Path) -> None:
    ids, errors = [], []

    def make() -> None:
        try:
            store = ContentStore(tmp_path / "home" / "content.sqlite")
            ids.append(store.id)
            store.close()
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and len(set(ids)) == 1


def test_deleted_room_is_given_back(store: ContentStore) -> None:
    store.put([(f"key{i}", None, random.Random(i).randbytes(20_000), b"") for i in range(50)])
    full = store.live_bytes()
    store.delete(f"key{i}" for i in range(40))
    assert store.live_bytes() < 0.4 * full
    store.vacuum()
    assert store.path.stat().st_size < 0.4 * full


def test_only_the_owner_may_read_the_store(tmp_path: Path) -> None:
    store = ContentStore(tmp_path / "home" / "content.sqlite")
    put(store, 1)
    files = [tmp_path / "home", *(tmp_path / "home").iterdir()]
    assert len(files) == 4  # with the write-ahead log and its index
    assert {path.stat().st_mode & 0o077 for path in files} == {0}
    store.close()


def test_a_folder_in_the_way_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(StorageError, match="WAYFIND_HOME"):
        ContentStore(tmp_path / "home" / "content.sqlite")


def test_home_is_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WAYFIND_HOME", str(tmp_path / "a"))
    assert default_home() == tmp_path / "a"
    monkeypatch.delenv("WAYFIND_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert default_home() == tmp_path / "b" / "wayfind"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_home() == tmp_path / ".cache" / "wayfind"
