package org.tinybert.demo.app

import java.nio.ByteBuffer
import java.util.concurrent.CopyOnWriteArrayList
import org.tinybert.demo.core.Engine
import org.tinybert.demo.core.EngineException
import org.tinybert.demo.core.EngineFactory
import org.tinybert.demo.core.Problem

/**
 * Stands in for a model: of two outputs, the second is 0.9 if the word "good" is among the tokens,
 * otherwise 0.2; of one output, the number of tokens; of more, they rise from first to last. Of
 * questions the answers begin with "good" and end with "film".
 */
class FakeEngine(private val factory: FakeEngineFactory, private val outputCount: Int) : Engine {
    override val signatures = mapOf("serving_default" to LENGTH)

    override fun run(
        signature: String,
        ids: IntArray,
        segmentIds: IntArray,
        mask: IntArray,
    ): Map<String, FloatArray> {
        factory.failure?.let { throw EngineException(Problem.RUN_FAILED, it) }
        if (factory.answersQuestions) {
            return mapOf("start_logits" to logits(ids, "good"), "end_logits" to logits(ids, "film"))
        }
        val name = if (outputCount == 1) "score" else "probability"
        return mapOf(name to scores(ids, mask))
    }

    private fun logits(ids: IntArray, word: String) = FloatArray(ids.size) {
        if (it == 0) factory.noAnswerLogit else if (ids[it] == VOCABULARY.indexOf(word)) 5f else 0f
    }

    private fun scores(ids: IntArray, mask: IntArray): FloatArray {
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

    /** Whether the models are for questions. */
    var answersQuestions = false

    /** At `[CLS]`, of models for questions. */
    @Volatile
    var noAnswerLogit = 0f

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
