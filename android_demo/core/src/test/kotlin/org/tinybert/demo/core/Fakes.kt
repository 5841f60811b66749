package org.tinybert.demo.core

import java.nio.ByteBuffer
import java.util.concurrent.Executor

/** Runs nothing by itself: time passes by [advance], in one thread. */
class FakeScheduler : Scheduler {
    private class Task(val time: Long, val run: () -> Unit) : Cancellation {
        var isCancelled = false

        override fun cancel() {
            isCancelled = true
        }
    }

    private val tasks = ArrayList<Task>()
    private var now = 0L

    override fun schedule(delayMilliseconds: Long, task: () -> Unit): Cancellation =
        Task(now + delayMilliseconds, task).also { tasks += it }

    fun advance(milliseconds: Long) {
        now += milliseconds
        while (true) {
            val next = tasks.filter { it.time <= now }.minByOrNull { it.time } ?: return
            tasks -= next
            if (!next.isCancelled) next.run()
        }
    }
}

/** Runs what was posted when it is told to. */
class FakeExecutor : Executor {
    private val posted = ArrayDeque<Runnable>()

    override fun execute(command: Runnable) {
        posted += command
    }

    fun runAll() {
        while (posted.isNotEmpty()) posted.removeFirst().run()
    }
}

/** Gives [outputs] of the ids of every run, padding included; counts the runs. */
class FakeEngine(
    override val signatures: Map<String, Int>,
    private val outputs: (IntArray) -> Map<String, FloatArray>,
) : Engine {
    class Run(
        val signature: String,
        val ids: List<Int>,
        val segmentIds: List<Int>,
        val mask: List<Int>,
    )

    val runs = ArrayList<Run>()
    var isClosed = false
        private set

    override fun run(
        signature: String,
        ids: IntArray,
        segmentIds: IntArray,
        mask: IntArray,
    ): Map<String, FloatArray> {
        check(!isClosed) { "The engine is closed." }
        runs += Run(signature, ids.toList(), segmentIds.toList(), mask.toList())
        return outputs(ids)
    }

    override fun close() {
        isClosed = true
    }
}

/** Makes [FakeEngine]s of the signatures of [TestBundle]'s `model_multi.tflite`. */
class FakeFactory(private val outputs: (IntArray) -> Map<String, FloatArray>) : EngineFactory {
    override val runtimeVersion = "2.16.1"
    val engines = ArrayList<FakeEngine>()
    var failure: Throwable? = null

    override fun create(model: ByteBuffer): Engine {
        failure?.let { throw it }
        return FakeEngine(mapOf("length_8" to 8, "length_16" to 16), outputs).also { engines += it }
    }
}

/** The output of a classifier. */
fun probabilities(vararg values: Float) = mapOf("probability" to values)
