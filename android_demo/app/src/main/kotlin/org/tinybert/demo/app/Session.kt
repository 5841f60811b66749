package org.tinybert.demo.app

import android.os.Handler
import android.os.Looper
import java.io.Closeable
import java.util.concurrent.Executor
import java.util.concurrent.Executors
import org.tinybert.demo.core.BundleInfo
import org.tinybert.demo.core.ModelPresenter
import org.tinybert.demo.core.ExecutorScheduler
import org.tinybert.demo.core.SavedState

/** What outlives the screen when the device is turned: the presenter, its thread, the bundles. */
class Session(application: DemoApplication, saved: SavedState) : Closeable {
    private val executor = Executors.newSingleThreadScheduledExecutor()

    val library = BundleLibrary(application, application.engineFactory)

    val presenter: ModelPresenter

    /** Of the bundle that is open; null before there is one. */
    var info: BundleInfo? = null

    init {
        val handler = Handler(Looper.getMainLooper())
        val main = Executor { handler.post(it) }
        presenter = ModelPresenter(
            application.engineFactory,
            ExecutorScheduler(executor),
            main,
            saved,
        )
        presenter.open(library::current)
    }

    override fun close() {
        presenter.close()
        executor.shutdown()
    }
}
