package org.tinybert.demo.app

import android.app.Activity
import android.content.Intent
import android.graphics.Color
import android.graphics.Insets
import android.graphics.drawable.ColorDrawable
import android.net.Uri
import android.os.Bundle
import android.os.Parcel
import android.util.TypedValue
import android.view.View
import android.view.ViewGroup
import android.view.WindowInsets
import android.widget.EditText
import android.widget.ProgressBar
import android.widget.Switch
import android.widget.TextView
import java.io.File
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotEquals
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/** The real activity and layouts, on the JVM, with a fake engine. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = [34], application = FakeApplication::class, qualifiers = "w393dp-h786dp-port-xhdpi")
class MainActivityTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val application get() = RuntimeEnvironment.getApplication() as FakeApplication
    private val engines get() = application.engineFactory

    // === Results ===

    @Test
    fun `shows the result of what is typed`() {
        val screen = startWithBundle()
        screen.type("a good film.")
        screen.waitForResult()
        assertEquals("positive, 90.0%", screen.text(R.id.headline))
        assertEquals(listOf("negative, 10.0%", "positive, 90.0%"), screen.bars().map { it.first })
        assertEquals(listOf(100, 900), screen.bars().map { it.second })
        // [CLS] a good film . [SEP]
        assertEquals("6 of 16", screen.text(R.id.tokens_used_value))
        assertFalse(screen.isShown(R.id.truncated))
        for (id in listOf(R.id.last_run_value, R.id.median_value, R.id.p90_value)) {
            assertTrue(screen.text(id), Regex("\\d+\\.\\d ms").matches(screen.text(id)))
        }
    }

    @Test
    fun `follows the typing`() {
        val screen = startWithBundle()
        screen.type("good")
        screen.waitFor("positive") { screen.text(R.id.headline).startsWith("positive") }
        screen.type("bad")
        screen.waitFor("negative") { screen.text(R.id.headline) == "negative, 80.0%" }
        screen.type("  ")
        screen.waitFor("no result") { !screen.isShown(R.id.result) }
        assertTrue(screen.isShown(R.id.notice))
    }

    @Test
    fun `says that the model saw a part of the text`() {
        val screen = startWithBundle()
        screen.type("a film ".repeat(20))
        screen.waitForResult()
        assertTrue(screen.isShown(R.id.truncated))
        assertEquals("16 of 16", screen.text(R.id.tokens_used_value))
        assertTrue(screen.text(R.id.truncated).contains("16"))
    }

    @Test
    fun `shows the tokens on demand`() {
        val screen = startWithBundle()
        screen.type("Good films")
        screen.waitForResult()
        assertFalse(screen.isShown(R.id.tokens))
        screen.find<Switch>(R.id.show_tokens).performClick()
        assertTrue(screen.isShown(R.id.tokens))
        assertEquals("[CLS]  good  [UNK]  [SEP]", screen.text(R.id.tokens))
    }

    @Test
    fun `takes pairs`() {
        val screen = startWithBundle { writeTestBundle(it, textCount = 2) }
        screen.waitFor("the second box") { screen.isShown(R.id.second_text) }
        screen.type("a film")
        screen.type("good", R.id.second_text)
        screen.waitForResult()
        // [CLS] a film [SEP] good [SEP]
        assertEquals("6 of 16", screen.text(R.id.tokens_used_value))
    }

    @Test
    fun `shows a score without bars`() {
        engines.outputCount = 1
        val screen = startWithBundle { writeTestBundle(it, labels = emptyList()) }
        screen.type("a good film")
        screen.waitForResult()
        assertEquals("5", screen.text(R.id.headline))
        assertEquals(emptyList<Any>(), screen.bars())
    }

    @Test
    fun `shows the five likeliest of many classes, and all on demand`() {
        engines.outputCount = 12
        val labels = List(12) { "class $it" }
        val screen = startWithBundle { writeTestBundle(it, labels) }
        screen.type("a good film")
        screen.waitForResult()
        assertEquals("class 11, 15.4%", screen.text(R.id.headline))
        val five = screen.bars().map { it.first }
        assertEquals(listOf("class 11, 15.4%", "class 10, 14.1%"), five.take(2))
        assertEquals(5, five.size)
        val all: Switch = screen.find(R.id.all_classes)
        assertEquals("Show all 12 classes", all.text.toString())
        all.performClick()
        val names = screen.bars().map { it.first.substringBefore(",") }
        assertEquals((11 downTo 0).map { "class $it" }, names)
        all.performClick()
        assertEquals(five, screen.bars().map { it.first })
    }

    @Test
    fun `says that the runtime is slow, if the bundle knows a faster one`() {
        val screen = startWithBundle()
        screen.type("good")
        screen.waitForResult()
        assertFalse(screen.isShown(R.id.all_classes))
        assertEquals(
            "TensorFlow Lite 2.16.1 in this app runs the model slower than LiteRT 1.1.2 or newer " +
                "does.",
            screen.text(R.id.slow_runtime),
        )
        screen.pick(changed { getJSONObject("runtime").remove("fast_litert") })
        screen.waitFor("no hint") {
            screen.isShown(R.id.result) && !screen.isShown(R.id.slow_runtime)
        }
    }

    @Test
    @Config(qualifiers = "ko")
    fun `speaks Korean`() {
        val screen = startWithBundle()
        screen.type("a film ".repeat(20))
        screen.waitForResult()
        assertEquals("토큰 보기", screen.text(R.id.show_tokens))
        assertTrue(screen.text(R.id.truncated), "처음 16개 토큰" in screen.text(R.id.truncated))
    }

    // === Life of the screen ===

    @Test
    fun `keeps text, tokens and result when turned`() {
        val screen = startWithBundle()
        screen.type("a good film")
        screen.waitForResult()
        screen.find<Switch>(R.id.show_tokens).performClick()
        val before = screen.texts()
        val activity = screen.activity
        RuntimeEnvironment.setQualifiers("+w786dp-h393dp-land")
        screen.controller.configurationChange().visible()
        assertNotEquals(activity, screen.activity)
        screen.waitFor("the window") { screen.isShown(R.id.content) }
        // By the same engine: nothing is loaded or run again.
        assertEquals(before, screen.texts())
        assertEquals(1, engines.created.size)
        screen.type("bad")
        screen.waitFor("a result") { screen.text(R.id.headline) == "negative, 80.0%" }
    }

    @Test
    fun `keeps text and second text when its process ends`() {
        val bundle: (File) -> Unit = { writeTestBundle(it, textCount = 2) }
        val screen = startWithBundle(write = bundle)
        screen.type("a film")
        screen.waitFor("the second box") { screen.isShown(R.id.second_text) }
        screen.type("good", R.id.second_text)
        screen.waitForResult()
        val saved = Bundle()
        screen.controller.pause().stop().saveInstanceState(saved).destroy()
        val controller = Robolectric.buildActivity(MainActivity::class.java)
        val again = Screen(controller.setup(saved))
        again.waitForResult()
        assertEquals("positive, 90.0%", again.text(R.id.headline))
        assertEquals("a film", again.text(R.id.text))
        assertEquals("good", again.text(R.id.second_text))
    }

    @Test
    fun `frees the model when it is finished`() {
        val screen = startWithBundle()
        screen.waitFor("the content") { screen.isShown(R.id.content) }
        screen.activity.finish()
        screen.controller.pause().stop().destroy()
        screen.waitFor("the engine to be closed") { engines.closed.size == 1 }
    }

    @Test
    fun `cuts a long text and can still be saved`() {
        val screen = startWithBundle()
        screen.waitFor("the content") { screen.isShown(R.id.content) }
        screen.type("good ".repeat(200_000))
        screen.waitForResult()
        assertEquals(20_000, screen.find<EditText>(R.id.text).length())
        assertTrue(screen.text(R.id.text_cut).contains("20,000"))
        assertTrue(screen.isShown(R.id.text_cut))
        val saved = Bundle()
        screen.controller.pause().stop().saveInstanceState(saved)
        val parcel = Parcel.obtain()
        parcel.writeBundle(saved)
        // A transaction of a megabyte is an exception, shared with others of the process.
        assertTrue("${parcel.dataSize()} bytes", parcel.dataSize() < 250_000)
        parcel.recycle()
        screen.controller.restart().start().resume()
        screen.type("good")
        screen.waitFor("the note to go") { !screen.isShown(R.id.text_cut) }
    }

    @Test
    fun `takes lone surrogates`() {
        val screen = startWithBundle()
        screen.type("good \uD83D film \uDE00")
        screen.waitForResult()
        assertEquals("positive, 90.0%", screen.text(R.id.headline))
    }

    // === Shared texts ===

    @Test
    fun `starts with a shared text`() {
        val screen = startWithBundle(intent = shared("a good film"))
        screen.waitForResult()
        assertEquals("a good film", screen.text(R.id.text))
        assertEquals("positive, 90.0%", screen.text(R.id.headline))
    }

    @Test
    fun `takes the text that is selected in another app`() {
        val intent = Intent(Intent.ACTION_PROCESS_TEXT).setType("text/plain")
            .putExtra(Intent.EXTRA_PROCESS_TEXT, "a good film")
        val screen = startWithBundle(intent = intent)
        screen.waitForResult()
        assertEquals("a good film", screen.text(R.id.text))
        val takers = application.packageManager.queryIntentActivities(intent, 0)
        assertEquals(1, takers.count { it.activityInfo.name == MainActivity::class.java.name })
    }

    @Test
    fun `takes a shared text while it runs`() {
        val screen = startWithBundle()
        screen.type("good")
        screen.waitForResult()
        screen.controller.newIntent(shared("bad"))
        screen.waitFor("the new result") { screen.text(R.id.headline) == "negative, 80.0%" }
        assertEquals("bad", screen.text(R.id.text))
    }

    @Test
    fun `does not take a shared text twice`() {
        val screen = startWithBundle(intent = shared("good"))
        screen.waitForResult()
        screen.type("bad")
        screen.waitFor("the new result") { screen.text(R.id.headline) == "negative, 80.0%" }
        screen.controller.recreate()
        assertEquals("bad", screen.text(R.id.text))
    }

    @Test
    fun `starts without a text when nothing is shared`() {
        val screen = startWithBundle(intent = Intent(Intent.ACTION_SEND).setType("text/plain"))
        screen.waitFor("the content") { screen.isShown(R.id.content) }
        assertEquals("", screen.text(R.id.text))
    }

    // === Bundles ===

    @Test
    fun `says that there is no bundle`() {
        val screen = Screen.start()
        screen.waitFor("the message") { screen.isShown(R.id.failure) }
        assertEquals(application.getString(R.string.no_bundle), screen.text(R.id.failure_message))
        assertFalse(screen.isShown(R.id.failure_built_in))
        assertFalse(screen.isShown(R.id.text))
    }

    @Test
    fun `asks the system for a zip`() {
        val screen = Screen.start()
        screen.waitFor("the message") { screen.isShown(R.id.failure) }
        screen.find<View>(R.id.failure_open).performClick()
        val intent = shadowOf(screen.activity).nextStartedActivity
        assertEquals(Intent.ACTION_OPEN_DOCUMENT, intent.action)
        assertTrue("application/zip" in intent.getStringArrayExtra(Intent.EXTRA_MIME_TYPES)!!)
        assertTrue(intent.hasCategory(Intent.CATEGORY_OPENABLE))
    }

    @Test
    fun `opens a bundle that is picked, and keeps it`() {
        val screen = Screen.start()
        screen.waitFor("the message") { screen.isShown(R.id.failure) }
        screen.pick(zipped(writeTestBundle(folder.newFolder())))
        screen.type("good")
        screen.waitForResult()
        assertEquals("film_test, dynamic_int8", screen.text(R.id.model_line))
        val next = Screen.start(shared("good"))
        next.waitForResult()
        assertEquals(emptyList<String>(), application.cacheDir.list().orEmpty().toList())
    }

    @Test
    fun `refuses a bundle and goes on with the one before`() {
        val cut = zipped(writeTestBundle(folder.newFolder()))
        cut.writeBytes(cut.readBytes().dropLast(40).toByteArray())
        refuses(cut, "zip")
        val altered = writeTestBundle(folder.newFolder())
        File(altered, "model.tflite").writeText("a model for the fake enginE")
        refuses(zipped(altered), "model.tflite")
        refuses(changed { put("schema_version", 3) }, "version 3")
        refuses(
            changed { getJSONObject("runtime").put("minimum_tensorflow_lite", "2.17.0") },
            "2.17.0",
        )
        refuses(changed { getJSONObject("tokenizer").put("vocabulary_size", 30522) }, "30522")
        refuses(changed { getJSONObject("task").put("type", "span").put("num_texts", 2) }, "task.windows")
        val labels = listOf("a", "b", "c")
        refuses(zipped(writeTestBundle(folder.newFolder(), labels)), "outputs")
        refuses(File(folder.root, "absent.zip"), "read")
    }

    private fun changed(change: JSONObject.() -> Unit): File =
        zipped(writeTestBundle(folder.newFolder(), change = change))

    private fun refuses(bundle: File, message: String) {
        val screen = startWithBundle(intent = shared("good"))
        screen.waitForResult()
        screen.pick(bundle)
        screen.waitFor("the message") { screen.isShown(R.id.notice) }
        assertTrue(screen.text(R.id.notice), message in screen.text(R.id.notice))
        assertEquals(emptyList<String>(), application.filesDir.list().orEmpty().toList())
        assertEquals(emptyList<String>(), application.cacheDir.list().orEmpty().toList())
        screen.type("bad")
        screen.waitFor("a result of the model before") {
            screen.isShown(R.id.result) && screen.text(R.id.headline) == "negative, 80.0%"
        }
        screen.controller.pause().stop().destroy()
    }

    @Test
    fun `goes back to the built-in model`() {
        val screen = startWithBundle()
        screen.waitFor("the content") { screen.isShown(R.id.content) }
        screen.pick(zipped(writeTestBundle(folder.newFolder()) { put("name", "another") }))
        screen.waitFor("the other") { screen.text(R.id.model_line) == "another, dynamic_int8" }
        shadowOf(screen.activity).clickMenuItem(R.id.built_in)
        screen.waitFor("the built-in") { screen.text(R.id.model_line) == "film_test, dynamic_int8" }
        assertEquals(emptyList<String>(), application.filesDir.list().orEmpty().toList())
    }

    @Test
    fun `offers the built-in model if the one that was kept is damaged`() {
        File(application.filesDir, "bundle").mkdir()
        val screen = startWithBundle()
        screen.waitFor("the message") { screen.isShown(R.id.failure) }
        screen.find<View>(R.id.failure_built_in).performClick()
        screen.waitFor("the content") { screen.isShown(R.id.content) }
        assertEquals("film_test, dynamic_int8", screen.text(R.id.model_line))
    }

    @Test
    fun `shows an error of the engine and recovers`() {
        val screen = startWithBundle()
        screen.type("good")
        screen.waitForResult()
        engines.failure = "out of memory"
        screen.type("bad")
        screen.waitFor("the message") { screen.isShown(R.id.notice) }
        assertEquals(
            "TensorFlow Lite failed to run the model: out of memory. Choose another bundle.",
            screen.text(R.id.notice),
        )
        assertFalse(screen.isShown(R.id.result))
        engines.failure = null
        screen.type("good film")
        screen.waitForResult()
        assertFalse(screen.isShown(R.id.notice))
    }

    @Test
    fun `tells about the bundle`() {
        val screen = startWithBundle {
            writeTestBundle(it) {
                val added = JSONObject().put("content", "film").put("normalized", true)
                getJSONObject("tokenizer").put("strip_accents", false)
                    .put("tokenize_chinese_chars", false)
                    .put("added_tokens", JSONArray(listOf(added)))
            }
        }
        screen.waitFor("the content") { screen.isShown(R.id.content) }
        shadowOf(screen.activity).clickMenuItem(R.id.about)
        val intent = shadowOf(screen.activity).nextStartedActivity
        val about = Robolectric.buildActivity(AboutActivity::class.java, intent).setup().get()
        val texts = about.contentView.tree().filterIsInstance<TextView>().map { it.text.toString() }
        val all = texts.joinToString("\n")
        for (
        fact in listOf(
            "Tells good films from bad ones.", "MIT", "negative, positive", "accuracy 0.8991",
            "872", "validation", "0.0876", "99.8%", "2.9.0", "2.16.1", "model.tflite",
            "WordPiece, 9 entries, lower case, accents kept, " +
                "Chinese words not split into characters, added tokens film",
            "TensorFlow Lite 2.16.1 with XNNPACK; the bundle needs TensorFlow Lite 2.9.0 or " +
                "newer, and is fast on LiteRT 1.1.2 or newer",
        )
        ) {
            assertTrue("$fact in $all", fact in all)
        }
    }

    // === For every eye and finger ===

    @Test
    @Config(qualifiers = "+night")
    fun `is dark at night`() {
        val screen = startWithBundle()
        val ground = (screen.activity.window.decorView.background as ColorDrawable).color
        assertTrue(Color.luminance(ground) < 0.05f)
        assertTrue(contrast(screen.find<TextView>(R.id.text).currentTextColor, ground) > 7)
    }

    @Test
    fun `is light by day`() {
        val screen = startWithBundle()
        val ground = (screen.activity.window.decorView.background as ColorDrawable).color
        assertTrue(Color.luminance(ground) > 0.9f)
        assertTrue(contrast(screen.find<TextView>(R.id.text).currentTextColor, ground) > 7)
    }

    @Test
    fun `has contrast in every text`() = forEveryText { text, ground ->
        assertTrue("\"${text.text}\"", contrast(text.currentTextColor, ground) >= 4.5)
    }

    @Test
    @Config(qualifiers = "+night")
    fun `has contrast in every text at night`() = forEveryText { text, ground ->
        assertTrue("\"${text.text}\"", contrast(text.currentTextColor, ground) >= 4.5)
    }

    @Test
    @Config(fontScale = 2f)
    fun `cuts no large text`() = forEveryText { text, _ ->
        val layout = text.layout
        val space = text.height - text.compoundPaddingTop - text.compoundPaddingBottom
        assertTrue("\"${text.text}\": ${layout.height} in $space", layout.height <= space)
        for (line in 0 until layout.lineCount) {
            assertEquals("\"${text.text}\"", 0, layout.getEllipsisCount(line))
        }
        assertEquals("\"${text.text}\"", TypedValue.COMPLEX_UNIT_SP, text.textSizeUnit)
    }

    @Test
    fun `reads each bar as one and announces the result`() {
        val screen = startWithBundle()
        screen.type("good")
        screen.waitForResult()
        for (row in screen.rows()) {
            assertTrue(row.isScreenReaderFocusable)
            val bar: View = row.findViewById(R.id.bar)
            assertEquals(View.IMPORTANT_FOR_ACCESSIBILITY_NO, bar.importantForAccessibility)
        }
        for (id in listOf(R.id.headline, R.id.notice, R.id.failure_message)) {
            val view: View = screen.find(id)
            assertEquals(View.ACCESSIBILITY_LIVE_REGION_POLITE, view.accessibilityLiveRegion)
        }
    }

    @Test
    fun `has targets large enough for a finger`() {
        val screen = startWithBundle()
        screen.type("good")
        screen.waitForResult()
        val targets = screen.activity.contentView.tree()
            .filter { it.isShown && it.isClickable }.toList()
        val known = setOf(R.id.text, R.id.show_tokens)
        assertEquals(known, known.intersect(targets.map { it.id }.toSet()))
        for (target in targets) {
            // xhdpi: two pixels a dp. The toolbar's button has Android's own width.
            assertTrue("$target", target.height >= 2 * 48)
            assertTrue("$target", target.width >= 2 * 36)
        }
    }

    @Test
    fun `stays clear of the system bars and the keyboard`() {
        val screen = startWithBundle()
        val root = (screen.activity.contentView as ViewGroup).getChildAt(0)
        val insets = WindowInsets.Builder()
            .setInsets(WindowInsets.Type.systemBars(), Insets.of(10, 20, 30, 40))
            .build()
        root.dispatchApplyWindowInsets(insets)
        assertEquals(10, root.paddingLeft)
        assertEquals(20, root.paddingTop)
        assertEquals(30, root.paddingRight)
        assertEquals(40, root.paddingBottom)
    }

    // === Helpers ===

    private fun startWithBundle(
        intent: Intent = Intent(Intent.ACTION_MAIN),
        write: (File) -> Unit = { writeTestBundle(it) },
    ): Screen {
        val bundle = folder.newFolder()
        write(bundle)
        addToAssets(bundle)
        return Screen.start(intent)
    }

    private fun forEveryText(check: (TextView, Int) -> Unit) {
        val screen = startWithBundle()
        screen.type("a good film and a bad film ".repeat(3))
        screen.waitForResult()
        screen.find<Switch>(R.id.show_tokens).performClick()
        screen.waitFor("the layout") { true }
        val ground = (screen.activity.window.decorView.background as ColorDrawable).color
        val texts = screen.activity.contentView.tree().filterIsInstance<TextView>()
            .filter { it.isShown && it.text.isNotEmpty() }.toList()
        assertTrue("${texts.size} texts", texts.size > 15)
        for (text in texts) check(text, ground)
    }

    /** What TalkBack reads of each bar, and how long it is. */
    private fun Screen.bars(): List<Pair<String, Int>> = rows().map { row ->
        row.contentDescription.toString() to row.findViewById<ProgressBar>(R.id.bar).progress
    }

    private fun Screen.rows(): List<View> {
        val bars: ViewGroup = find(R.id.bars)
        return (0 until bars.childCount).map { bars.getChildAt(it) }
    }

    /** Picks a file in the system's file picker. */
    private fun Screen.pick(file: File) {
        shadowOf(activity).clickMenuItem(R.id.open_bundle)
        val request = shadowOf(activity).nextStartedActivity
        val answer = Intent().setData(Uri.fromFile(file))
        shadowOf(activity).receiveResult(request, Activity.RESULT_OK, answer)
    }

    private fun zipped(bundle: File): File = folder.newFile().also { zip(bundle, it) }

    private fun shared(text: String) =
        Intent(Intent.ACTION_SEND).setType("text/plain").putExtra(Intent.EXTRA_TEXT, text)

    /** The contrast ratio of WCAG 2. */
    private fun contrast(a: Int, b: Int): Float {
        val lights = listOf(a, b).map { Color.luminance(it) + 0.05f }
        return lights.max() / lights.min()
    }
}
