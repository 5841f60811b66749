package org.tinybert.demo.app

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config
import org.tinybert.demo.core.BundleException
import org.tinybert.demo.core.Problem

/** The texts of problems, in the app's languages. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34], application = FakeApplication::class)
class ProblemsTest {
    private val context get() = RuntimeEnvironment.getApplication()

    private fun places(text: String) = Regex("%\\d\\\$s").findAll(text).map { it.value }.toSet()

    @Test
    fun `those in English are core's`() {
        for (problem in Problem.entries) {
            assertEquals(problem.text, context.getString(textOf(problem)))
        }
    }

    @Test
    @Config(qualifiers = "ko")
    fun `those in Korean say as much`() {
        for (problem in Problem.entries) {
            val text = context.getString(textOf(problem))
            assertNotEquals(problem.text, text)
            assertEquals(problem.name, places(problem.text), places(text))
            assertTrue(text, Regex("[가-힣]").containsMatchIn(text))
        }
        val failure = BundleException(Problem.FILE_ALTERED, "vocab.txt")
        assertTrue(context.describe(failure).startsWith("vocab.txt은(는) 내보낸 파일이 아닙니다"))
    }

    @Test
    fun `any other failure has the text that it has`() {
        assertEquals("heap", context.describe(OutOfMemoryError("heap")))
        assertEquals("NullPointerException", context.describe(NullPointerException()))
        val tooLarge = AppException(R.string.bundle_too_large, 500)
        assertTrue("500 MB" in context.describe(tooLarge))
    }
}
