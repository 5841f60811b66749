package org.tinybert.demo.core

import java.io.IOException
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows

class ModelPresenterTest {
    /** What the next runs of an engine do. */
    private var engineFailure: Throwable? = null

    /** Called in the middle of a run. */
    private var duringRun: () -> Unit = {}

    private val factory = FakeFactory {
        duringRun()
        engineFailure?.let { failure -> throw failure }
        probabilities(0.25f, 0.75f)
    }
    private val worker = FakeScheduler()
    private val main = FakeExecutor()
    private val shown = ArrayList<ModelState>()
    private val presenter = presenter(SavedState())

    private fun presenter(saved: SavedState) = ModelPresenter(factory, worker, main, saved)

    private fun open(source: BundleSource = TestBundle().seal()) {
        presenter.open { source }
        settle()
    }

    /** Lets all pending work finish. */
    private fun settle() {
        worker.advance(ModelPresenter.DEBOUNCE_MILLISECONDS)
        main.runAll()
        worker.advance(0)
        main.runAll()
    }

    private fun type(text: String, second: String = "") {
        presenter.onText(text, second)
        settle()
    }

    /** The runs of texts; the first of an engine is the classifier's own. */
    private val runs
        get() = factory.engines.sumOf { it.runs.size - 1 }

    private inline fun <reified T : ModelState> last(): T =
        shown.last() as? T
            ?: throw AssertionError("${T::class.simpleName} expected, shown: ${kinds()}")

    private fun kinds() = shown.map { it.javaClass.simpleName }

    @Test
    fun `loading, ready, result`() {
        presenter.attach { shown += it }
        open()
        type("good")
        assertEquals(listOf("Loading", "Loading", "Ready", "Result"), kinds())
        val result = last<ModelState.Result>()
        assertEquals(listOf("good"), result.texts)
        assertEquals(0.75f, (result.outcome as Classification).scores[1].score)
        assertEquals(1, result.latency.count)
        assertEquals("things", result.info.name)
    }

    @Test
    fun `a thousand key strokes leave one run`() {
        presenter.attach { shown += it }
        open()
        var text = ""
        repeat(1_000) {
            text += "good "
            presenter.onText(text)
            worker.advance(ModelPresenter.DEBOUNCE_MILLISECONDS - 1)
            main.runAll()
        }
        assertEquals(0, runs)
        settle()
        assertEquals(1, runs)
        assertEquals(listOf(text), last<ModelState.Result>().texts)
        assertEquals(1, shown.count { it is ModelState.Result })
    }

    @Test
    fun `a result whose text has changed during the run is never shown`() {
        presenter.attach { shown += it }
        open()
        duringRun = { presenter.onText("bad").also { duringRun = {} } }
        presenter.onText("good")
        worker.advance(ModelPresenter.DEBOUNCE_MILLISECONDS)
        main.runAll()
        assertTrue(shown.none { it is ModelState.Result })
        settle()
        assertEquals(
            listOf("bad"),
            shown.filterIsInstance<ModelState.Result>().flatMap { it.texts },
        )
        assertEquals(2, runs)
    }

    @Test
    fun `a result that waits for the main thread is dropped by a newer text or bundle`() {
        presenter.attach { shown += it }
        open()
        val newer =
            listOf<() -> Unit>(
                { presenter.onText("bad") },
                { presenter.onText("") },
                { presenter.open { TestBundle().seal() } },
            )
        for (change in newer) {
            presenter.onText("good")
            worker.advance(ModelPresenter.DEBOUNCE_MILLISECONDS)
            shown.clear()
            change()
            main.runAll()
            assertTrue(shown.none { it is ModelState.Result }, kinds().toString())
            settle()
            type("")
        }
    }

    @Test
    fun `whatever is typed when, the last text is shown and no older one after a newer`() {
        presenter.attach { shown += it }
        open()
        val random = kotlin.random.Random(1)
        val typed = ArrayList<String>()
        duringRun = {
            if (random.nextInt(3) == 0)
                presenter.onText("good ${typed.size}").also { typed += presenter.text }
        }
        repeat(10_000) {
            when (random.nextInt(4)) {
                0,
                1 -> presenter.onText("good ${typed.size}").also { typed += presenter.text }
                2 -> worker.advance(random.nextLong(300))
                3 -> main.runAll()
            }
        }
        duringRun = {}
        settle()
        settle()
        val results =
            shown.filterIsInstance<ModelState.Result>().map { typed.indexOf(it.texts[0]) }
        assertTrue(results.size > 50, "${results.size} results")
        assertEquals(results.sorted(), results)
        assertEquals(typed.last(), last<ModelState.Result>().texts[0])
    }

    @Test
    fun `an engine that fails is shown and recovered from`() {
        presenter.attach { shown += it }
        open()
        engineFailure = EngineException(Problem.RUN_FAILED, "out of tensors")
        type("good")
        val error = last<ModelState.Error>()
        assertSame(engineFailure, error.failure)
        assertEquals("things", error.info?.name)
        engineFailure = null
        type("bad")
        assertEquals(listOf("bad"), last<ModelState.Result>().texts)
    }

    @Test
    fun `errors of any kind are shown`() {
        presenter.attach { shown += it }
        open()
        val failures =
            listOf(
                OutOfMemoryError("heap"),
                NullPointerException(),
                UnsatisfiedLinkError("no library"),
            )
        for (failure in failures) {
            engineFailure = failure
            type("good $failure")
            assertSame(failure, last<ModelState.Error>().failure)
        }
    }

    @Test
    fun `a bundle that cannot be read is shown, and another one opened`() {
        presenter.attach { shown += it }
        presenter.onText("good")
        open(TestBundle())
        val error = last<ModelState.Error>()
        assertEquals(Problem.NO_BUNDLE_JSON, (error.failure as BundleException).problem)
        assertNull(error.info)
        type("bad")
        assertSame(error, presenter.state)
        open()
        assertEquals(listOf("bad"), last<ModelState.Result>().texts)
    }

    @Test
    fun `a bundle that cannot be read leaves the one before open`() {
        presenter.attach { shown += it }
        open()
        for (source in
            listOf<() -> BundleSource>({ TestBundle() }, { throw IOException("no file") })) {
            presenter.open(source)
            settle()
            assertEquals("things", last<ModelState.Error>().info?.name)
            type("good ${presenter.text}")
            last<ModelState.Result>()
        }
        assertEquals(1, factory.engines.size)
    }

    @Test
    fun `a runtime that refuses the model is shown and recovered from`() {
        presenter.attach { shown += it }
        factory.failure = UnsatisfiedLinkError("no library for this processor")
        open()
        assertSame(factory.failure, last<ModelState.Error>().failure)
        factory.failure = null
        open()
        last<ModelState.Ready>()
    }

    @Test
    fun `of two bundles the later one counts`() {
        presenter.attach { shown += it }
        val first = TestBundle().apply { json.put("name", "first") }.seal()
        val second = TestBundle().apply { json.put("name", "second") }.seal()
        for (betweenThem in listOf({}, { worker.advance(0) }, { settle() })) {
            presenter.open { first }
            betweenThem()
            presenter.open { second }
            settle()
            assertEquals("second", last<ModelState.Ready>().info.name)
        }
        assertEquals(1, factory.engines.count { !it.isClosed })
    }

    @Test
    fun `a second text counts for pairs, and both are needed`() {
        presenter.attach { shown += it }
        open(
            TestBundle()
                .apply { setTask("classification", 2, listOf("no", "yes"), "probability") }
                .seal()
        )
        type("good")
        last<ModelState.Ready>()
        type("good", "bad")
        assertEquals(listOf("good", "bad"), last<ModelState.Result>().texts)
        type("", "bad")
        last<ModelState.Ready>()
    }

    @Test
    fun `no text, a megabyte and lone surrogates`() {
        presenter.attach { shown += it }
        open()
        for (text in listOf("good ".repeat(1 shl 18), "\uD800", "a\uDC00b", "\u0000")) {
            type(text)
            assertEquals(listOf(text), last<ModelState.Result>().texts)
        }
        for (text in listOf(" ", "\n\t\u00A0", "")) {
            type(text)
            last<ModelState.Ready>()
        }
        assertEquals(4, runs)
    }

    @Test
    fun `the same text again is no key stroke`() {
        presenter.attach { shown += it }
        open()
        type("good")
        type("good")
        assertEquals(1, runs)
    }

    @Test
    fun `another view is shown the state of now, and results that came without one`() {
        presenter.attach { shown += it }
        open()
        presenter.onText("good")
        presenter.detach()
        settle()
        last<ModelState.Ready>()

        val next = ArrayList<ModelState>()
        presenter.attach { next += it }
        assertEquals(listOf("good"), (next.single() as ModelState.Result).texts)
        type("bad")
        assertEquals(2, next.size)
        assertEquals(1, factory.engines.size)
        last<ModelState.Ready>()
    }

    @Test
    fun `what was saved makes another presenter show the same`() {
        presenter.attach { shown += it }
        open()
        type("good", "second")

        val restored = presenter(presenter.save())
        val states = ArrayList<ModelState>()
        restored.attach { states += it }
        restored.onText("good", "second")
        restored.open { TestBundle().seal() }
        settle()
        assertEquals(listOf("good"), (states.last() as ModelState.Result).texts)
        assertEquals(listOf("good", "second"), restored.run { listOf(text, second) })
    }

    @Test
    fun `close ends all work and frees the engine`() {
        presenter.attach { shown += it }
        open()
        presenter.onText("good")
        presenter.close()
        settle()
        assertEquals(0, runs)
        assertTrue(factory.engines.single().isClosed)
        last<ModelState.Ready>()
    }
}
