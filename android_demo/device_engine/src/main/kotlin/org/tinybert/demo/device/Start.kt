package org.tinybert.demo.device

import java.io.File
import java.lang.management.ManagementFactory
import org.tinybert.demo.app.TensorFlowLiteEngineFactory
import org.tinybert.demo.core.Bundle
import org.tinybert.demo.core.BundleSource
import org.tinybert.demo.core.FolderSource
import org.tinybert.demo.core.TextClassifier

/**
 * From a bundle's folder to the first result, in a process that has done nothing before: prints
 * nanoseconds of processor time and kilobytes of memory.
 *
 * @param arguments the folder, and whether the bundle is known to be whole
 */
fun main(arguments: Array<String>) {
    val (folder, isKnown) = arguments
    val clock = ManagementFactory.getThreadMXBean()
    val start = clock.currentThreadCpuTime
    val source = Source(FolderSource(File(folder)), isKnown.toBoolean())
    val bundle = Bundle.read(source, TensorFlowLiteEngineFactory.runtimeVersion)
    TextClassifier.open(bundle, TensorFlowLiteEngineFactory).use {
        it.classify(listOf("A small film with a big heart."))
        val nanoseconds = clock.currentThreadCpuTime - start
        val resident = File("/proc/self/status").readLines().first { line -> "VmRSS" in line }
        println("$nanoseconds ${resident.filter { character -> character.isDigit() }}")
    }
}

private class Source(source: BundleSource, private val isKnown: Boolean) : BundleSource by source {
    override fun isKnownWhole(sha256: String) = isKnown
}
