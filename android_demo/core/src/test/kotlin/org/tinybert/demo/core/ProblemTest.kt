package org.tinybert.demo.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class ProblemTest {
    @Test
    fun `the places of a text are numbered from one on`() {
        for (problem in Problem.entries) {
            val places = Regex("%(\\d)\\\$s").findAll(problem.text).map { it.groupValues[1].toInt() }
            val numbers = places.toSet()
            assertEquals((1..numbers.size).toSet(), numbers, problem.name)
            assertEquals(places.count(), problem.text.count { it == '%' }, problem.name)
        }
    }

    @Test
    fun `every text has the way out`() {
        val ways = Regex("(Choose|Copy|copy|Export|Install|Name|Take|take|Update|Zip) ")
        for (problem in Problem.entries) {
            assertTrue(ways.containsMatchIn(problem.text), problem.text)
            assertTrue(problem.text.endsWith("."), problem.text)
        }
    }

    @Test
    fun `the message is the text with the arguments`() {
        val cause = IllegalStateException()
        val failure = BundleException(Problem.FILE_UNREADABLE, "vocab.txt", "a", cause = cause)
        assertEquals("vocab.txt cannot be read (a). Copy the bundle again.", failure.message)
        assertEquals(listOf("vocab.txt", "a"), failure.arguments)
        assertEquals(cause, failure.cause)
    }
}
