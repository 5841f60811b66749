package org.tinybert.demo.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows

class LatencyStatisticsTest {
    private fun of(vararg times: Long) = LatencyStatistics().apply { times.forEach { add(it) } }

    @Test
    fun `median and p90`() {
        assertEquals(listOf(7L, 7L), of(7).run { listOf(median, p90) })
        assertEquals(listOf(20L, 30L), of(30, 10).run { listOf(median, p90) })
        assertEquals(listOf(20L, 30L), of(30, 20, 10).run { listOf(median, p90) })
        val ten = of(*LongArray(10) { 10L - it })
        assertEquals(listOf(5L, 9L), listOf(ten.median, ten.p90))
        val eleven = of(*LongArray(11) { 11L - it })
        assertEquals(listOf(6L, 10L), listOf(eleven.median, eleven.p90))
    }

    @Test
    fun `the oldest leave`() {
        val statistics = of(*LongArray(LatencyStatistics.WINDOW) { 1 })
        repeat(LatencyStatistics.WINDOW - 1) { statistics.add(5) }
        assertEquals(LatencyStatistics.WINDOW, statistics.count)
        assertEquals(5, statistics.median)
        repeat(1_000) { statistics.add(9) }
        assertEquals(listOf(9L, 9L), listOf(statistics.median, statistics.p90))
        assertEquals(LatencyStatistics.WINDOW, statistics.count)
    }

    @Test
    fun `has none at first and once cleared`() {
        val statistics = of(1, 2)
        statistics.clear()
        assertEquals(0, statistics.count)
        assertThrows<IllegalStateException> { statistics.median }
        assertThrows<IllegalStateException> { LatencyStatistics().p90 }
        statistics.add(3)
        assertEquals(3, statistics.median)
    }
}
