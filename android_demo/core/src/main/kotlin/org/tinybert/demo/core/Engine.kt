package org.tinybert.demo.core

import java.io.Closeable
import java.nio.ByteBuffer

/**
 * A model loaded into an inference runtime.
 *
 * An engine belongs to one thread at a time: it is not safe to run it from two at once.
 */
interface Engine : Closeable {
    /** The length in tokens of each signature of the model, by the signature's name. */
    val signatures: Map<String, Int>

    /**
     * Runs one example.
     *
     * @param signature a key of [signatures]; [ids], [segmentIds] and [mask] have its length
     * @return the model's outputs by name, each flattened; they belong to the caller
     * @throws EngineException if the runtime fails
     */
    fun run(
        signature: String,
        ids: IntArray,
        segmentIds: IntArray,
        mask: IntArray,
    ): Map<String, FloatArray>
}

/** Makes engines of one inference runtime. */
interface EngineFactory {
    /** What the runtime says its version is, such as `"2.16.1"`; see [RuntimeVersion]. */
    val runtimeVersion: String

    /**
     * Loads a model, to run on one thread.
     *
     * @param model the TensorFlow Lite file: a direct buffer in native byte order, which the engine
     *   keeps and nobody may change
     * @throws EngineException if the runtime refuses the model
     */
    fun create(model: ByteBuffer): Engine
}
