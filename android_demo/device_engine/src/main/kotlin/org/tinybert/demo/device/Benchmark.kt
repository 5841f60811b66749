package org.tinybert.demo.device

import java.io.File
import java.lang.management.ManagementFactory
import kotlin.math.roundToInt
import org.json.JSONArray
import org.json.JSONObject
import org.tinybert.demo.app.TensorFlowLiteEngineFactory
import org.tinybert.demo.core.Bundle
import org.tinybert.demo.core.EngineFactory
import org.tinybert.demo.core.FolderSource
import org.tinybert.demo.core.RuntimeVersion
import org.tinybert.demo.core.TextClassifier
import org.tinybert.demo.desktop.DesktopEngineFactory

private val TOKENS = listOf(14, 62, 128)
private const val NANOSECONDS_A_MODEL = 700_000_000L
private const val STARTS = 5

/**
 * Measures the app's engine, on the AAR's library, beside the desktop's newer runtime: from text to
 * result, tokenizer included, on one thread.
 *
 * Times are of the processor, the least of many, which a busy machine changes little.
 *
 * @param arguments the folder of the bundles, and the JSON file to write
 */
fun main(arguments: Array<String>) {
    val (bundles, output) = arguments.map { File(it) }
    val folders = bundles.listFiles().orEmpty().filter { File(it, "bundle.json").isFile }.sorted()
    require(folders.isNotEmpty()) { "There is no bundle in $bundles." }
    val result =
        JSONObject()
            .put("command", "make demo-benchmark")
            .put("measure", "processor time of one thread in milliseconds, the least of many runs")
            .put("processor", processor())
            .put("runs", JSONArray(folders.flatMap { measureRuns(it) }))
            .put("starts", JSONArray(folders.flatMap { measureStarts(it) }))
    output.writeText(result.toString(2) + "\n")
}

private fun processor(): String =
    File("/proc/cpuinfo").readLines().first { it.startsWith("model name") }.substringAfter(": ")

private fun measureRuns(folder: File): List<JSONObject> =
    listOf<EngineFactory>(TensorFlowLiteEngineFactory, DesktopEngineFactory()).flatMap { factory ->
        val bundle = Bundle.read(FolderSource(folder), factory.runtimeVersion)
        val runtime = "${RuntimeVersion.of(factory.runtimeVersion)}"
        TextClassifier.open(bundle, factory).use { classifier ->
            TOKENS.map { tokens ->
                val row =
                    JSONObject()
                        .put("profile", bundle.info.quantization.profile)
                        .put("runtime", runtime)
                        .put("engine", if (factory == TensorFlowLiteEngineFactory) "app" else "desktop")
                        .put("tokens", tokens)
                        .put("milliseconds", hundredths(leastTime(classifier, tokens)))
                row.also { println(it) }
            }
        }
    }

/** In nanoseconds, of a text of as many tokens. */
private fun leastTime(classifier: TextClassifier, tokens: Int): Long {
    val text = listOf("film ".repeat(tokens - 2))
    check(classifier.classify(text).tokens.size == tokens)
    val clock = ManagementFactory.getThreadMXBean()
    val end = System.nanoTime() + NANOSECONDS_A_MODEL
    var least = Long.MAX_VALUE
    while (System.nanoTime() < end) {
        val start = clock.currentThreadCpuTime
        classifier.classify(text)
        least = minOf(least, clock.currentThreadCpuTime - start)
    }
    return least
}

/** Of a new process each: with the hashes of the files, as after an installation, and without. */
private fun measureStarts(folder: File): List<JSONObject> =
    listOf(false, true).map { isKnown ->
        val java = File(System.getProperty("java.home"), "bin/java").path
        val command =
            listOf(java, "-cp", System.getProperty("java.class.path"), START, folder.path, "$isKnown")
        val starts =
            List(STARTS) {
                val process =
                    ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start()
                val line = process.inputStream.bufferedReader().readLine()
                check(process.waitFor() == 0) { "The start of $folder failed." }
                line.split(" ").map { it.toLong() }
            }
        val (nanoseconds, kilobytes) = starts.minByOrNull { it[0] }!!
        JSONObject()
            .put("profile", folder.name)
            .put("hashes_known", isKnown)
            .put("milliseconds", (nanoseconds / 1e6).roundToInt())
            .put("resident_megabytes", (kilobytes / 1e3).roundToInt())
            .also { println(it) }
    }

private fun hundredths(nanoseconds: Long): Double = (nanoseconds / 1e4).roundToInt() / 100.0

private const val START = "org.tinybert.demo.device.StartKt"
