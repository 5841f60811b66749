package org.tinybert.demo.app

import java.nio.ByteBuffer
import java.util.concurrent.CopyOnWriteArrayList
import org.tinybert.demo.core.Engine
import org.tinybert.demo.core.EngineException
import org.tinybert.demo.core.EngineFactory

/**
 * Stands in for a model: of two outputs, the second is 0.9 if the word "good" is among the tokens,
 * otherwise 0.2; of one output, the number of tokens; of more, they rise from first to last.
 */
class FakeEngine(private val factory: FakeEngineFactory, private val outputCount: Int) : Engine {
    override val signatures = mapOf("serving_default" to LENGTH)

    override fun run(
        signature: String,
        ids: IntArray,
        segmentIds: IntArray,
        mask: IntArray,
    ): FloatArray {
        factory.failure?.let { throw EngineException(it) }
        if (outputCount == 1) return floatArrayOf(mask.sum().toFloat())
        if (outputCount > 2) {
            val sum = outputCount * (outputCount + 1) / 2f
            return FloatArray(outputCount) { (it + 1) / sum }
        }
        val isGood = VOCABULARY.indexOf("good") in ids
        return if (isGood) floatArrayOf(0.1f, 0.9f) else floatArrayOf(0.8f, 0.2f)
    }

    override fun close() {
        factory.closed += this
    }

    companion object {
        const val LENGTH = 16
    }
}

/** Makes [FakeEngine]s and keeps book of them. */
class FakeEngineFactory : EngineFactory {
    override val runtimeVersion = "2.16.1"

    /** The number of outputs of the models. */
    var outputCount = 2

    /** If not null, every run fails with this message. */
    @Volatile
    var failure: String? = null

    val created = CopyOnWriteArrayList<FakeEngine>()
    val closed = CopyOnWriteArrayList<FakeEngine>()

    override fun create(model: ByteBuffer): Engine {
        return FakeEngine(this, outputCount).also { created += it }
    }
}

/** The application with the fake engine. */
class FakeApplication : DemoApplication() {
    override val engineFactory = FakeEngineFactory()
}
