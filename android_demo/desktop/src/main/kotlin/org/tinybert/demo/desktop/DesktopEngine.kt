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
import org.tinybert.demo.core.Problem

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
            throw refused("it is no TensorFlow Lite model")
        }
        InterpreterBuilder(model, resolver).use { builder ->
            builder.SetNumThreads(1)
            if (builder.apply(interpreter) != kTfLiteOk || interpreter.isNull) {
                throw refused("an operator is newer than the runtime, or the file is damaged")
            }
        }
        // Signatures allocate themselves, but only this hands their operators to XNNPACK.
        if (interpreter.AllocateTensors() != kTfLiteOk) throw refused("it cannot be prepared")
    }

    override fun run(
        signature: String,
        ids: IntArray,
        segmentIds: IntArray,
        mask: IntArray,
    ): Map<String, FloatArray> {
        val runner =
            runners.getOrPut(signature) {
                runnerOf(signature).also { check(it.AllocateTensors(), signature) }
            }
        for ((name, values) in INPUTS.zip(listOf(ids, segmentIds, mask))) {
            IntPointer(TfLiteTensorData(inputOf(runner, name))).put(values, 0, values.size)
        }
        check(runner.Invoke(), signature)
        val names = runner.output_names()
        return List(runner.output_size().toInt()) { BytePointer(names.get(it.toLong())).string }
            .associateWith { outputOf(runner, it) }
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
            ?: throw refused("there is no signature $signature")

    private fun lengthOf(runner: SignatureRunner): Int {
        val lengths = INPUTS.map { TfLiteTensorDim(inputOf(runner, it), 1) }
        return lengths.distinct().singleOrNull()
            ?: throw refused("its inputs differ in length: $lengths")
    }

    private fun inputOf(runner: SignatureRunner, name: String): TfLiteTensor {
        val tensor: TfLiteTensor? = runner.input_tensor(name)
        val fits =
            tensor != null &&
                TfLiteTensorType(tensor) == kTfLiteInt32 &&
                TfLiteTensorNumDims(tensor) == 2
        if (!fits) throw refused("there is no int32 input $name of shape [1, length]")
        return tensor!!
    }

    private fun outputOf(runner: SignatureRunner, name: String): FloatArray {
        val tensor = runner.output_tensor(name)
        if (TfLiteTensorType(tensor) != kTfLiteFloat32) {
            throw refused("its output $name is not float32")
        }
        val values = FloatArray((TfLiteTensorByteSize(tensor) / Float.SIZE_BYTES).toInt())
        FloatPointer(TfLiteTensorData(tensor)).get(values)
        return values
    }

    private fun check(status: Int, signature: String) {
        if (status != kTfLiteOk) throw EngineException(Problem.RUN_FAILED, signature)
    }

    private fun refused(reason: String) = EngineException(Problem.MODEL_REFUSED, reason)

    private companion object {
        val INPUTS = listOf("ids", "segment_ids", "mask")
    }
}
