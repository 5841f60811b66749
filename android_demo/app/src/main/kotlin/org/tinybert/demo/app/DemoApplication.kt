package org.tinybert.demo.app

import android.app.Application
import org.tinybert.demo.core.EngineFactory

/** The application; a test puts another runtime in its place. */
open class DemoApplication : Application() {
    open val engineFactory: EngineFactory get() = TensorFlowLiteEngineFactory
}
