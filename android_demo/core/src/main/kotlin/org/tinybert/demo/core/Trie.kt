package org.tinybert.demo.core

/**
 * A trie over code points, with an id at the end of each text that was added.
 *
 * The children of all nodes share one open-addressing hash table, so that a step costs no object
 * and reads two or three integers.
 *
 * @param roots how many nodes, from 1 on, texts may begin at
 * @param nodes for how many there is space at first, a power of two
 */
internal class Trie(private val roots: Int, nodes: Int) {
    private var parents = IntArray(nodes)
    private var codePoints = IntArray(nodes)
    private var ids = IntArray(nodes) { NO_TOKEN }
    private var size = roots + 1
    private var slots = IntArray(4 * nodes)

    /** Goes on from a node by one code point; [NOWHERE] if no text does. */
    fun next(node: Int, codePoint: Int): Int = slots[slotOf(node, codePoint)]

    /** The id of the text that ends at a node, or [NO_TOKEN]. */
    fun idAt(node: Int): Int = ids[node]

    /** The node of what follows [start] in a text, or [NOWHERE]. */
    fun find(text: String, root: Int, start: Int = 0): Int =
        walk(text, root, start) { node, codePoint -> next(node, codePoint) }

    /** Adds what follows [start] in a text; returns the id that it already had, or [NO_TOKEN]. */
    fun add(text: String, id: Int, root: Int, start: Int = 0): Int {
        val node = walk(text, root, start) { node, codePoint -> nextOrNew(node, codePoint) }
        val earlier = ids[node]
        ids[node] = id
        return earlier
    }

    private inline fun walk(text: String, root: Int, start: Int, step: (Int, Int) -> Int): Int {
        var node = root
        var i = start
        while (i < text.length) {
            val codePoint = text.codePointAt(i)
            node = step(node, codePoint)
            i += Character.charCount(codePoint)
        }
        return node
    }

    private fun nextOrNew(node: Int, codePoint: Int): Int {
        val slot = slotOf(node, codePoint)
        if (slots[slot] != NOWHERE) return slots[slot]
        if (size == parents.size) grow()
        parents[size] = node
        codePoints[size] = codePoint
        slots[slotOf(node, codePoint)] = size
        return size++
    }

    /** The slot that holds the child, or the free one where it would go. */
    private fun slotOf(node: Int, codePoint: Int): Int {
        val mask = slots.size - 1
        val product = (node * 31 + codePoint) * GOLDEN_RATIO
        var slot = (product xor (product ushr 15)) and mask
        while (true) {
            val child = slots[slot]
            if (child == NOWHERE) return slot
            if (parents[child] == node && codePoints[child] == codePoint) return slot
            slot = (slot + 1) and mask
        }
    }

    private fun grow() {
        parents = parents.copyOf(2 * size)
        codePoints = codePoints.copyOf(2 * size)
        ids = ids.copyOf(2 * size)
        ids.fill(NO_TOKEN, size)
        slots = IntArray(8 * size)
        for (child in roots + 1 until size) {
            slots[slotOf(parents[child], codePoints[child])] = child
        }
    }

    companion object {
        const val NOWHERE = 0
        const val NO_TOKEN = -1

        private const val GOLDEN_RATIO = -0x61c88647
    }
}
