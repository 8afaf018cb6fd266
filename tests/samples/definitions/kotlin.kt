@file:JvmName("Tools")

package app.tools

import kotlin.math.max
import java.io.*

/**
 * A list of [Item]s.
 */
@Serializable
public data class Cart(val items: List<Item>) : Base() {
    private var total = 0

    /** Adds one. */
    override fun add(item: Item): Cart {
        // immutable
        return copy(items = items.plus(item))
    }

    init {
        check(items.isNotEmpty())
    }

    companion object {
        fun empty() = Cart(emptyList())
    }
}

interface Shop {
    fun open()
}

enum class Size { S, M }

object Registry {
    fun find(name: String): Cart? = null
}

// Widens a string.
fun String.widen(n: Int = 2): String = repeat(max(n, 1))

fun <T> List<T>.second(): T {
    return this[1]
}

typealias Names = List<String>

class CartTest {
    @Test
    fun `adds an item`() {
        assertEquals(1, Cart.empty().add(item).size())
    }
}
