package org.tinybert.demo.desktop

import com.sun.management.ThreadMXBean
import java.io.File
import java.lang.management.ManagementFactory
import java.util.Locale
import kotlin.system.exitProcess
import org.tinybert.demo.core.BertTokenizer
import org.tinybert.demo.core.Vocabulary

/**
 * `TokenizerBenchmarkKt VOCABULARY TEXT_FILE...` prints how fast one thread tokenizes a megabyte of
 * the files' text, and what it allocates beyond the ids.
 */
fun main(arguments: Array<String>) {
    if (arguments.size < 2) {
        System.err.println("usage: TokenizerBenchmarkKt VOCABULARY TEXT_FILE...")
        exitProcess(2)
    }
    val start = System.nanoTime()
    val vocabulary = Vocabulary.read(File(arguments[0]).readBytes(), arguments[0])
    print("vocabulary of ${vocabulary.size} tokens read in ${milliseconds(start)} ms, cold\n")
    val files = arguments.drop(1).joinToString("\n") { File(it).readText() }
    val text = files.repeat(1_000_000 / files.length + 1).take(1_000_000)
    for (lowercase in listOf(true, false)) {
        val tokenizer = BertTokenizer(vocabulary, lowercase)
        repeat(WARM_UP_RUNS) { tokenizer.tokenize(text) }
        measure(tokenizer, text)
    }
}

private fun measure(tokenizer: BertTokenizer, text: String) {
    val megabytes = text.toByteArray().size / 1e6
    val times =
        List(RUNS) {
                val start = System.nanoTime()
                tokenizer.tokenize(text)
                System.nanoTime() - start
            }
            .sorted()
    val bean = ManagementFactory.getThreadMXBean() as ThreadMXBean
    val thread = Thread.currentThread().id
    val before = bean.getThreadAllocatedBytes(thread)
    val ids = tokenizer.tokenize(text)
    val allocated = bean.getThreadAllocatedBytes(thread) - before
    println(
        String.format(
            Locale.ROOT,
            "%s: %.1f MB/s (median of %d runs; slowest %.1f), %d ids, %.2f bytes allocated an id",
            if (tokenizer.lowercase) "uncased" else "cased",
            megabytes / (times[RUNS / 2] / 1e9),
            RUNS,
            megabytes / (times.last() / 1e9),
            ids.size,
            allocated.toDouble() / ids.size,
        )
    )
}

private fun milliseconds(start: Long): Long = (System.nanoTime() - start) / 1_000_000

private const val WARM_UP_RUNS = 10
private const val RUNS = 21
