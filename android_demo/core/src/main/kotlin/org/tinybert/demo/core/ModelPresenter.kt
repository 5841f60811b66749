package org.tinybert.demo.core

import java.util.concurrent.Executor
import java.util.concurrent.atomic.AtomicInteger

/** What the user has entered and chosen, to make the presenter again after its process ended. */
class SavedState(val text: String = "", val second: String = "")

/**
 * Runs a model on what the user types: between a view that shows states and a model that takes
 * time.
 *
 * Texts are run when the typing pauses, on the thread of [worker]. A newer text makes an
 * older one's run void: if it has not begun it never does, and if it has it ends soon and its result is dropped.
 * What fails is shown as [ModelState.Error], whatever it is, since an executor would swallow
 * it and the user wait for ever; the next text or bundle is tried as if nothing had happened.
 *
 * The presenter outlives its views: while none is attached the work goes on, and the next one is
 * shown the present state at once. Every method is called on the thread of [main], where the view
 * is called as well.
 *
 * @param worker runs what takes time; the presenter's tasks are the only ones that use the engine
 * @param saved what [save] of an earlier presenter gave
 */
class ModelPresenter(
    private val factory: EngineFactory,
    private val worker: Scheduler,
    private val main: Executor,
    saved: SavedState = SavedState(),
) {
    /** The state that an attached view shows now. */
    var state: ModelState = ModelState.Loading
        private set

    /** The one text, the first of a pair, or the context of a question. */
    var text: String = saved.text
        private set

    /** The second of a pair, or the question. */
    var second: String = saved.second
        private set

    // === Of the main thread ===

    private var view: ((ModelState) -> Unit)? = null

    /** Of the open bundle; null before there is one. */
    private var info: BundleInfo? = null

    private var isLoading = false
    private var pending: Cancellation? = null
    private val latency = LatencyStatistics()

    // === Of both threads ===

    /** Numbers what was asked for last; results of earlier numbers are dropped. */
    private val latest = AtomicInteger()

    // === Of the worker's thread ===

    private var model: TextModel? = null

    /** Shows a view the present state at once, and every later one; replaces an earlier view. */
    fun attach(view: (ModelState) -> Unit) {
        this.view = view
        view(state)
    }

    /** Shows no more states; the work goes on. */
    fun detach() {
        view = null
    }

    /**
     * Opens a bundle, and runs the present text with it.
     *
     * A bundle that cannot be used leaves the one before open.
     *
     * @param source called on the worker's thread, where copying a file may take its time
     */
    fun open(source: () -> BundleSource) {
        val request = cancelRun()
        isLoading = true
        show(ModelState.Loading)
        worker.schedule(0) {
            // A later bundle is on its way.
            if (request != latest.get()) return@schedule
            val outcome = runCatching {
                TextModel.open(Bundle.read(source(), factory.runtimeVersion), factory)
            }
            outcome.onSuccess { opened ->
                model?.close()
                model = opened
            }
            main.execute { onOpened(request, outcome.map { it.bundle.info }) }
        }
    }

    /** Takes what the user has typed; [second] counts where there are two texts only. */
    fun onText(text: String, second: String = "") {
        // A view that is made again sets the text that it had.
        if (text == this.text && second == this.second) return
        this.text = text
        this.second = second
        run(DEBOUNCE_MILLISECONDS)
    }

    /** Returns what a new presenter needs to show the same. */
    fun save(): SavedState = SavedState(text, second)

    /** Ends all work and frees the model; the presenter is not used afterwards. */
    fun close() {
        detach()
        cancelRun()
        worker.schedule(0) { model?.close() }
    }

    private fun onOpened(request: Int, outcome: Result<BundleInfo>) {
        outcome.onSuccess {
            info = it
            latency.clear()
        }
        if (request != latest.get()) return
        isLoading = false
        outcome.onSuccess { run(0) }.onFailure { showError(it) }
    }

    private fun run(delayMilliseconds: Long) {
        // When it has loaded, the text that there is then is run.
        if (isLoading) return
        val info = info ?: return
        val request = cancelRun()
        val texts = texts(info.task)
        if (texts.any { it.isBlank() }) {
            show(ModelState.Ready(info))
            return
        }
        pending =
            worker.schedule(delayMilliseconds) {
                val isWanted = { request == latest.get() }
                val outcome = runCatching { model?.run(texts, isWanted) }
                main.execute { onRun(request, info, texts, outcome) }
            }
    }

    /** What the model takes: a question comes before its context. */
    private fun texts(task: TaskInfo): List<String> =
        when {
            task.type == TaskType.SPAN -> listOf(second, text)
            task.textCount == 2 -> listOf(text, second)
            else -> listOf(text)
        }

    private fun onRun(
        request: Int,
        info: BundleInfo,
        texts: List<String>,
        outcome: Result<Outcome?>,
    ) {
        if (request != latest.get()) return
        outcome
            .onFailure { showError(it) }
            .onSuccess {
                if (it == null) return
                latency.add(it.nanoseconds)
                val summary = LatencySummary(latency.median, latency.p90, latency.count)
                show(ModelState.Result(info, texts, it, summary))
            }
    }

    /** Makes every run before void; returns the number of the next. */
    private fun cancelRun(): Int {
        pending?.cancel()
        pending = null
        return latest.incrementAndGet()
    }

    private fun showError(failure: Throwable) {
        show(ModelState.Error(failure, info))
    }

    private fun show(state: ModelState) {
        this.state = state
        view?.invoke(state)
    }

    companion object {
        /** How long the typing must pause before a text is run. */
        const val DEBOUNCE_MILLISECONDS = 150L
    }
}
