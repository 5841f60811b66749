package org.tinybert.demo.app

import java.nio.ByteBuffer
import java.nio.FloatBuffer
import java.nio.IntBuffer
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.TensorFlowLite
import org.tinybert.demo.core.Engine
import org.tinybert.demo.core.EngineException
import org.tinybert.demo.core.EngineFactory
import org.tinybert.demo.core.Problem

/** Makes engines over `org.tensorflow.lite`, which TensorFlow Lite and LiteRT both bring. */
object TensorFlowLiteEngineFactory : EngineFactory {
    override val runtimeVersion: String
        get() = orEngineException(Problem.RUNTIME_MISSING) { TensorFlowLite.runtimeVersion() }

    override fun create(model: ByteBuffer): Engine =
        orEngineException(Problem.MODEL_REFUSED) {
            // One thread: in this API the number of threads does not reach XNNPACK.
            val options = Interpreter.Options().setNumThreads(1).setUseXNNPACK(true)
            TensorFlowLiteEngine(Interpreter(model, options))
        }
}

private class TensorFlowLiteEngine(private val interpreter: Interpreter) : Engine {
    override val signatures: Map<String, Int> = interpreter.signatureKeys.associateWith { key ->
        // The shape is [1, length].
        interpreter.getInputTensorFromSignature(IDS, key).shape().last()
    }

    override fun run(
        signature: String,
        ids: IntArray,
        segmentIds: IntArray,
        mask: IntArray,
    ): Map<String, FloatArray> = orEngineException(Problem.RUN_FAILED) {
        val values = interpreter.getSignatureOutputs(signature).associateWith { name ->
            val output = interpreter.getOutputTensorFromSignature(name, signature)
            FloatArray(output.numElements())
        }
        val inputs = mapOf<String, Any>(
            IDS to IntBuffer.wrap(ids),
            SEGMENT_IDS to IntBuffer.wrap(segmentIds),
            MASK to IntBuffer.wrap(mask),
        )
        val outputs = values.mapValues<String, FloatArray, Any> { FloatBuffer.wrap(it.value) }
        interpreter.runSignature(inputs, outputs, signature)
        values
    }

    override fun close() = interpreter.close()

    private companion object {
        const val IDS = "ids"
        const val SEGMENT_IDS = "segment_ids"
        const val MASK = "mask"
    }
}

/** The runtime throws unchecked exceptions, and an error if there is no library for the device. */
private fun <T> orEngineException(problem: Problem, call: () -> T): T = try {
    call()
} catch (failure: RuntimeException) {
    throw EngineException(problem, reason(failure), cause = failure)
} catch (failure: UnsatisfiedLinkError) {
    throw EngineException(Problem.RUNTIME_MISSING, reason(failure), cause = failure)
}

private fun reason(failure: Throwable) =
    (failure.message ?: failure.javaClass.simpleName).trim().removeSuffix(".")
