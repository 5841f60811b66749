package org.tinybert.demo.app

import java.nio.ByteBuffer
import java.nio.FloatBuffer
import java.nio.IntBuffer
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.TensorFlowLite
import org.tinybert.demo.core.Engine
import org.tinybert.demo.core.EngineException
import org.tinybert.demo.core.EngineFactory

/** Makes engines over `org.tensorflow.lite`, which TensorFlow Lite and LiteRT both bring. */
object TensorFlowLiteEngineFactory : EngineFactory {
    override val runtimeVersion: String
        get() = orEngineException("cannot be loaded") { TensorFlowLite.runtimeVersion() }

    override fun create(model: ByteBuffer): Engine =
        orEngineException("refuses the model") {
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
    ): FloatArray = orEngineException("failed to run the model") {
        val name = interpreter.getSignatureOutputs(signature).single()
        val output = interpreter.getOutputTensorFromSignature(name, signature)
        val values = FloatArray(output.numElements())
        val inputs = mapOf<String, Any>(
            IDS to IntBuffer.wrap(ids),
            SEGMENT_IDS to IntBuffer.wrap(segmentIds),
            MASK to IntBuffer.wrap(mask),
        )
        val outputs = mapOf<String, Any>(name to FloatBuffer.wrap(values))
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
private fun <T> orEngineException(what: String, call: () -> T): T = try {
    call()
} catch (failure: RuntimeException) {
    throw EngineException("TensorFlow Lite $what: ${failure.message}", failure)
} catch (failure: UnsatisfiedLinkError) {
    throw EngineException(
        "TensorFlow Lite cannot be loaded: this app was built without the library for this " +
            "device's processor (${failure.message})",
        failure,
    )
}
