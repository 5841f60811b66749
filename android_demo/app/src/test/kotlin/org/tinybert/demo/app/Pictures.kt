package org.tinybert.demo.app

import android.app.Activity
import android.content.Intent
import android.graphics.Bitmap
import android.graphics.Canvas
import android.widget.Switch
import java.io.File
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/**
 * Draws the screens with Android's own graphics code, real bundles, and the app's own runtime.
 *
 * Not among the tests: `-Dtest=Pictures -Dpictures.bundle=FOLDER -Dpictures.questions=FOLDER
 * -Dpictures.output=FOLDER` runs it; the first bundle is the quickstart's, the second one answers
 * questions. The times in the pictures are of the computer that draws them.
 */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = [34], application = DemoApplication::class, qualifiers = PHONE)
class Pictures {
    private val bundle = folder("pictures.bundle")
    private val output = folder("pictures.output")

    @Test
    fun light() = drawResult("light") { find<Switch>(R.id.show_tokens).isChecked = true }

    @Test
    @Config(qualifiers = "+night")
    fun dark() = drawResult("dark")

    @Test
    @Config(qualifiers = LANDSCAPE)
    fun landscape() = drawResult("landscape")

    @Test
    @Config(fontScale = 2f)
    fun largeText() = drawResult("large_text")

    @Test
    @Config(qualifiers = TABLET)
    fun tablet() = drawResult("tablet")

    @Test
    @Config(qualifiers = "+ko")
    fun korean() = drawResult("korean")

    @Test
    fun manyClasses() = drawResult("many_classes") { find<Switch>(R.id.all_classes).performClick() }

    @Test
    fun question() {
        addToAssets(folder("pictures.questions"))
        val screen = Screen.start(shared(CONTEXT))
        screen.waitFor("the question") { screen.isShown(R.id.second_text) }
        screen.type(QUESTION, R.id.second_text)
        screen.waitForResult()
        draw(screen.activity, "question")
    }

    @Test
    fun failure() {
        val screen = Screen.start()
        screen.waitFor("the message") { screen.isShown(R.id.failure) }
        draw(screen.activity, "failure")
    }

    @Test
    fun about() {
        addToAssets(bundle)
        val screen = Screen.start(shared(TEXT))
        screen.waitForResult()
        shadowOf(screen.activity).clickMenuItem(R.id.about)
        val intent = shadowOf(screen.activity).nextStartedActivity
        val about = Robolectric.buildActivity(AboutActivity::class.java, intent).setup()
        draw(about.get(), "about")
    }

    private fun drawResult(name: String, act: Screen.() -> Unit = {}) {
        addToAssets(bundle)
        val screen = Screen.start(shared(TEXT))
        screen.waitForResult()
        // Enough runs for the statistics to settle.
        repeat(RUNS) { run ->
            val before = screen.text(R.id.tokens)
            screen.type(TEXT.dropLast((run + 1) % 2))
            screen.waitFor("run $run") { screen.text(R.id.tokens) != before }
        }
        screen.act()
        screen.waitFor("the bars") { true }
        draw(screen.activity, name)
    }

    private fun draw(activity: Activity, name: String) {
        val view = activity.window.decorView
        val bitmap = Bitmap.createBitmap(view.width, view.height, Bitmap.Config.ARGB_8888)
        view.draw(Canvas(bitmap))
        File(output, "$name.png").outputStream().use {
            bitmap.compress(Bitmap.CompressFormat.PNG, 100, it)
        }
    }

    private fun folder(property: String) =
        File(checkNotNull(System.getProperty(property)) { "Set -D$property=FOLDER." })

    private fun shared(text: String) =
        Intent(Intent.ACTION_SEND).setType("text/plain").putExtra(Intent.EXTRA_TEXT, text)

    private companion object {
        const val TEXT = "turn the heating down a little before we go to bed"
        const val QUESTION = "Who built the lighthouse?"
        const val CONTEXT = "The lighthouse on Gull Island was built in 1874 by the engineer Anna " +
            "Holm. It is 31 metres tall, and its lamp can be seen from a distance of 40 " +
            "kilometres. Since 1998 it has been a museum, which is open from May to October."
        const val RUNS = 20
    }
}

private const val PHONE = "w393dp-h786dp-port-hdpi"
private const val TABLET = "w800dp-h1000dp-port-mdpi"
private const val LANDSCAPE = "w786dp-h393dp-land-hdpi"
