package org.tinybert.demo.app

import android.content.Intent
import android.widget.EditText
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/** The real activity with a model that answers questions, on a fake engine. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = [34], application = FakeApplication::class, qualifiers = "w393dp-h786dp-port-xhdpi")
class QuestionTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val engines
        get() = (RuntimeEnvironment.getApplication() as FakeApplication).engineFactory

    @Before
    fun answerQuestions() {
        engines.answersQuestions = true
    }

    @Test
    fun `marks the answer in the context`() {
        val screen = start()
        screen.waitFor("the question") { screen.isShown(R.id.second_text) }
        assertEquals("Question", screen.find<EditText>(R.id.second_text).hint)
        screen.type("A bad film. A Góod film.")
        screen.type("film", R.id.second_text)
        screen.waitForResult()
        assertEquals("“Góod film”", screen.text(R.id.headline))
        assertEquals(listOf("Góod film"), screen.marked())
        assertTrue(screen.text(R.id.next_answers).startsWith("Next best: “"))
        assertFalse(screen.isShown(R.id.windows))
        // [CLS] film [SEP] a bad film . a good film . [SEP]
        assertEquals("12 of 16", screen.text(R.id.tokens_used_value))
        screen.type("")
        screen.waitFor("no result") { screen.isShown(R.id.notice) }
        assertEquals(emptyList<String>(), screen.marked())
        assertEquals("The answer is marked in the text as you type.", screen.text(R.id.notice))
    }

    @Test
    fun `the mark goes with its answer, and stays when the screen is turned`() {
        val screen = start()
        screen.type("a good film")
        screen.type("film", R.id.second_text)
        screen.waitFor("the mark") { screen.marked() == listOf("good film") }
        RuntimeEnvironment.setQualifiers("+w786dp-h393dp-land")
        screen.controller.configurationChange().visible()
        screen.waitFor("the window") { screen.isShown(R.id.content) }
        assertEquals(listOf("good film"), screen.marked())
        screen.type("a bad good film.")
        screen.waitFor("the new mark") { screen.marked() == listOf("good film") }
        engines.failure = "out of memory"
        screen.type("a film")
        screen.waitFor("the message") { screen.isShown(R.id.notice) }
        assertEquals(emptyList<String>(), screen.marked())
    }

    @Test
    fun `reads a long context in parts, and cuts a long question`() {
        val screen = start()
        screen.type("a bad film . ".repeat(12) + "a good film")
        screen.type("film a film a film", R.id.second_text)
        screen.waitForResult()
        assertEquals(listOf("good film"), screen.marked())
        // 51 tokens, 9 a part and 4 on.
        val parts = "The text was read in 12 parts, one after the other."
        assertEquals(parts, screen.text(R.id.windows))
        assertTrue(screen.isShown(R.id.truncated))
        assertTrue(screen.text(R.id.truncated).startsWith("The question is longer"))
    }

    @Test
    fun `says that there is no answer`() {
        engines.noAnswerLogit = 6f
        val screen = start(hasUnanswerable = true)
        screen.type("a good film")
        screen.type("film", R.id.second_text)
        screen.waitForResult()
        assertEquals("The text has no answer", screen.text(R.id.headline))
        assertEquals(emptyList<String>(), screen.marked())
    }

    @Test
    @Config(qualifiers = "ko")
    fun `a shared text is the context`() {
        val intent = Intent(Intent.ACTION_SEND).setType("text/plain")
        val screen = start(intent.putExtra(Intent.EXTRA_TEXT, "a good film"))
        screen.waitFor("the question") { screen.isShown(R.id.second_text) }
        assertEquals("질문", screen.find<EditText>(R.id.second_text).hint)
        screen.type("film", R.id.second_text)
        screen.waitForResult()
        assertEquals(listOf("good film"), screen.marked())
    }

    private fun start(
        intent: Intent = Intent(Intent.ACTION_MAIN),
        hasUnanswerable: Boolean = false,
    ): Screen {
        addToAssets(writeSpanBundle(folder.newFolder(), hasUnanswerable))
        return Screen.start(intent)
    }
}
