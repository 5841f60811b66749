package org.tinybert.demo.app

import java.io.File
import org.junit.Assert.assertEquals
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode
import org.tinybert.demo.core.Bundle
import org.tinybert.demo.core.FolderSource

/** The app as it is, with its own application and engine, on the library of the AAR. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = [34], application = DemoApplication::class, qualifiers = "w393dp-h786dp-port-xhdpi")
class RealEngineTest {
    @Test
    fun `shows what Python computed`() {
        val folder = File("../desktop/src/test/resources/classification_bundle")
        val bundle = Bundle.read(FolderSource(folder), TensorFlowLiteEngineFactory.runtimeVersion)
        val example = bundle.golden().first { it.texts.single().isNotBlank() }
        val scores = example.outputs.getValue(bundle.preferredModel)
        val best = scores.indices.maxByOrNull { scores[it] }!!
        addToAssets(folder)
        val screen = Screen.start()
        screen.type(example.texts.single())
        screen.waitForResult()
        val share = Formats().share(scores[best])
        assertEquals("${bundle.info.labels[best]}, $share", screen.text(R.id.headline))
    }

    @Test
    fun `answers what Python answered`() {
        val folder = File("../desktop/src/test/resources/span_bundle")
        val bundle = Bundle.read(FolderSource(folder), TensorFlowLiteEngineFactory.runtimeVersion)
        val example = bundle.goldenQuestions().first()
        addToAssets(folder)
        val screen = Screen.start()
        screen.type(example.context)
        screen.type(example.question, R.id.second_text)
        screen.waitForResult()
        val answer = example.answers.getValue(bundle.preferredModel).first().text
        assertEquals("“$answer”", screen.text(R.id.headline))
        assertEquals(listOf(answer), screen.marked())
    }
}
