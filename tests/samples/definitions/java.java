/*
 * Copyright (C) 2024 Someone
 */
package org.example.cache;

import java.util.List;
import static java.util.Objects.requireNonNull;

/**
 * A cache of values.
 *
 * @param <K> the key
 */
@SuppressWarnings("unchecked")
public final class Cache<K, V> implements Store {
    private static final int LIMIT = 10;

    /** Makes an empty cache. */
    public Cache() {
        this.map = new HashMap<>();
    }

    @Override
    @Nullable
    public V get(K key) throws IOException {
        // Hot path.
        return requireNonNull(map.get(key));
    }

    static class Entry {
        long age() { return System.nanoTime(); }
    }

    @Test
    public void keepsValues() {
        assertThat(new Cache<>().get(1)).isNull();
    }
}

interface Store {
    /** Removes everything. */
    void clear();

    int size();
}

enum Policy { LRU, LFU }

record Point(int x, int y) {
    double norm() {
        return Math.hypot(x, y);
    }
}
