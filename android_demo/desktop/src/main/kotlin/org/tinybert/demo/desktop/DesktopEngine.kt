package org.tinybert.demo.desktop

import java.nio.ByteBuffer
import org.bytedeco.javacpp.BytePointer
import org.bytedeco.javacpp.FloatPointer
import org.bytedeco.javacpp.IntPointer
import org.bytedeco.javacpp.Pointer
import org.bytedeco.tensorflowlite.BuiltinOpResolverWithXNNPACK
import org.bytedeco.tensorflowlite.FlatBufferModel
import org.bytedeco.tensorflowlite.Interpreter
import org.bytedeco.tensorflowlite.InterpreterBuilder
import org.bytedeco.tensorflowlite.SignatureRunner
import org.bytedeco.tensorflowlite.TfLiteTensor
import org.bytedeco.tensorflowlite.global.tensorflowlite.TfLiteTensorByteSize
import org.bytedeco.tensorflowlite.global.tensorflowlite.TfLiteTensorData
import org.bytedeco.tensorflowlite.global.tensorflowlite.TfLiteTensorDim
import org.bytedeco.tensorflowlite.global.tensorflowlite.TfLiteTensorNumDims
import org.bytedeco.tensorflowlite.global.tensorflowlite.TfLiteTensorType
import org.bytedeco.tensorflowlite.global.tensorflowlite.TfLiteVersion
import org.bytedeco.tensorflowlite.global.tensorflowlite.kTfLiteFloat32
import org.bytedeco.tensorflowlite.global.tensorflowlite.kTfLiteInt32
import org.bytedeco.tensorflowlite.global.tensorflowlite.kTfLiteOk
import org.tinybert.demo.core.Engine
import org.tinybert.demo.core.EngineException
import org.tinybert.demo.core.EngineFactory

/** Makes engines of TensorFlow Lite for the desktop, with XNNPACK. */
class DesktopEngineFactory : EngineFactory {
    override val runtimeVersion: String by lazy { TfLiteVersion().string }

    override fun create(model: ByteBuffer): Engine = DesktopEngine(model)
}

/** Over the C++ interface, which lets a resolver with XNNPACK be chosen. */
private class DesktopEngine(buffer: ByteBuffer) : Engine {
    private val bytes = BytePointer(buffer)
    private val resolver = BuiltinOpResolverWithXNNPACK()
    private val model: FlatBufferModel? =
        FlatBufferModel.VerifyAndBuildFromBuffer(bytes, buffer.remaining().toLong())
    private val interpreter = Interpreter(null as Pointer?)
    private val runners = HashMap<String, SignatureRunner>()

    override val signatures: Map<String, Int>

    init {
        try {
            build()
            val keys = interpreter.signature_keys()
            signatures =
                List(keys.size().toInt()) { keys.get(it.toLong()).string }
                    .associateWith { lengthOf(runnerOf(it)) }
        } catch (failure: EngineException) {
            close()
            throw failure
        }
    }

    private fun build() {
        if (model == null || model.isNull) {
            throw EngineException("The file is no TensorFlow Lite model.")
        }
        InterpreterBuilder(model, resolver).use { builder ->
            builder.SetNumThreads(1)
            if (builder.apply(interpreter) != kTfLiteOk || interpreter.isNull) {
                throw EngineException(
                    "TensorFlow Lite ${TfLiteVersion().string} cannot run the model: an operator " +
                        "is newer than the runtime, or the file is damaged."
                )
            }
        }
        // Signatures allocate themselves, but only this hands their operators to XNNPACK.
        check(interpreter.AllocateTensors(), "prepare the model")
    }

    override fun run(
        signature: String,
        ids: IntArray,
        segmentIds: IntArray,
        mask: IntArray,
    ): FloatArray {
        val runner =
            runners.getOrPut(signature) {
                runnerOf(signature).also { check(it.AllocateTensors(), "allocate $signature") }
            }
        for ((name, values) in INPUTS.zip(listOf(ids, segmentIds, mask))) {
            IntPointer(TfLiteTensorData(inputOf(runner, name))).put(values, 0, values.size)
        }
        check(runner.Invoke(), "run $signature")
        return outputOf(runner)
    }

    override fun close() {
        runners.clear()
        interpreter.close()
        model?.close()
        resolver.close()
        bytes.close()
    }

    private fun runnerOf(signature: String): SignatureRunner =
        interpreter.GetSignatureRunner(signature)
            ?: throw EngineException("The model has no signature $signature.")

    private fun lengthOf(runner: SignatureRunner): Int {
        val lengths = INPUTS.map { TfLiteTensorDim(inputOf(runner, it), 1) }
        return lengths.distinct().singleOrNull()
            ?: throw EngineException("The inputs of the model differ in length: $lengths.")
    }

    private fun inputOf(runner: SignatureRunner, name: String): TfLiteTensor {
        val tensor: TfLiteTensor? = runner.input_tensor(name)
        val fits =
            tensor != null &&
                TfLiteTensorType(tensor) == kTfLiteInt32 &&
                TfLiteTensorNumDims(tensor) == 2
        if (!fits) throw EngineException("The model has no int32 input $name of shape [1, length].")
        return tensor!!
    }

    private fun outputOf(runner: SignatureRunner): FloatArray {
        if (runner.output_size() != 1L) {
            throw EngineException("The model has ${runner.output_size()} outputs, expected one.")
        }
        val name = BytePointer(runner.output_names().get(0))
        val tensor = runner.output_tensor(name)
        if (TfLiteTensorType(tensor) != kTfLiteFloat32) {
            throw EngineException("The output ${name.string} of the model is not float32.")
        }
        val values = FloatArray((TfLiteTensorByteSize(tensor) / Float.SIZE_BYTES).toInt())
        FloatPointer(TfLiteTensorData(tensor)).get(values)
        return values
    }

    private fun check(status: Int, what: String) {
        if (status != kTfLiteOk) throw EngineException("TensorFlow Lite could not $what.")
    }

    private companion object {
        val INPUTS = listOf("ids", "segment_ids", "mask")
    }
}
