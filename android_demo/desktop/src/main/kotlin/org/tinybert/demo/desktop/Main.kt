package org.tinybert.demo.desktop

import java.io.File
import java.io.FileDescriptor
import java.io.FileOutputStream
import java.io.PrintStream
import java.util.Locale
import kotlin.system.exitProcess
import org.tinybert.demo.core.Answers
import org.tinybert.demo.core.Bundle
import org.tinybert.demo.core.BundleSource
import org.tinybert.demo.core.Classification
import org.tinybert.demo.core.FolderSource
import org.tinybert.demo.core.LatencyStatistics
import org.tinybert.demo.core.Outcome
import org.tinybert.demo.core.ProblemException
import org.tinybert.demo.core.TaskType
import org.tinybert.demo.core.TextModel
import org.tinybert.demo.core.ZipSource

private const val USAGE =
    """usage: MainKt --bundle DIR_OR_ZIP [--text TEXT [--second TEXT]]

Classifies a text, or a pair of texts, with the model of a bundle, or answers a question (--text)
with a part of its context (--second). Without a text it runs the bundle's golden examples and
compares them with what Python got; it exits with 1 if they differ."""

private const val MOST_ANSWERS = 3

/** Runs the command line of [USAGE]; exits with 2 after a mistake. */
fun main(arguments: Array<String>) {
    // Tokens are of any script, whatever the terminal is said to be.
    val out = PrintStream(FileOutputStream(FileDescriptor.out), true, "UTF-8")
    exitProcess(runCommand(arguments.toList(), out, System.err))
}

/** Runs the command line and returns the exit code. */
fun runCommand(arguments: List<String>, out: PrintStream, err: PrintStream): Int =
    try {
        val options = parse(arguments)
        val factory = DesktopEngineFactory()
        val bundle = Bundle.read(bundleSource(options.getValue("--bundle")), factory.runtimeVersion)
        val text = options["--text"]
        if (text == null) {
            checkGolden(bundle, factory, out)
        } else {
            runTexts(bundle, factory, listOfNotNull(text, options["--second"]), out)
        }
    } catch (mistake: UsageException) {
        err.println("${mistake.message}\n\n$USAGE")
        2
    } catch (failure: ProblemException) {
        err.println(failure.message)
        2
    }

private class UsageException(message: String) : Exception(message)

private fun parse(arguments: List<String>): Map<String, String> {
    val options = HashMap<String, String>()
    for (i in arguments.indices step 2) {
        val name = arguments[i]
        if (name !in setOf("--bundle", "--text", "--second")) {
            throw UsageException("Unknown argument $name.")
        }
        options[name] = arguments.getOrNull(i + 1) ?: throw UsageException("$name wants a value.")
    }
    if (options.values.any { '\uFFFD' in it }) {
        throw UsageException("The terminal's locale has not all characters: use LC_ALL=C.UTF-8.")
    }
    if ("--bundle" !in options) throw UsageException("--bundle is missing.")
    if ("--second" in options && "--text" !in options) {
        throw UsageException("--second wants a --text before it.")
    }
    return options
}

private fun bundleSource(path: String): BundleSource {
    val file = File(path)
    return if (file.isFile) ZipSource(file) else FolderSource(file)
}

private fun runTexts(
    bundle: Bundle,
    factory: DesktopEngineFactory,
    texts: List<String>,
    out: PrintStream,
): Int {
    val expected = bundle.info.task.textCount
    if (texts.size != expected) {
        throw UsageException(
            when {
                expected == 1 -> "The bundle classifies single texts: leave out --second."
                bundle.info.task.type == TaskType.SPAN ->
                    "The bundle answers questions: give the context with --second."
                else -> "The bundle classifies pairs: give the second text with --second."
            }
        )
    }
    val latency = LatencyStatistics()
    TextModel.open(bundle, factory).use { model ->
        repeat(LatencyStatistics.WINDOW) { latency.add(model.run(texts)!!.nanoseconds) }
        out.print(report(model.run(texts)!!, latency))
    }
    return 0
}

private fun report(result: Outcome, latency: LatencyStatistics): String {
    val lines =
        when (result) {
            is Classification -> scoreLines(result)
            is Answers -> answerLines(result)
        }
    val truncated = if (result.isTruncated) ", the end of the text left out" else ""
    val last =
        listOf(
            result.tokens.joinToString(" "),
            "${result.tokens.size} tokens in length ${result.signatureLength}$truncated",
            String.format(
                Locale.ROOT,
                "%.2f ms from text to result on one thread (median of %d; nine of ten within %.2f)",
                latency.median / 1e6,
                latency.count,
                latency.p90 / 1e6,
            ),
        )
    return (lines + last).joinToString("\n", postfix = "\n")
}

private fun scoreLines(result: Classification): List<String> {
    val width = result.scores.maxOf { it.label.length }
    return result.scores.map {
        String.format(Locale.ROOT, "%s  %.4f", it.label.padEnd(width), it.score)
    }
}

private fun answerLines(result: Answers): List<String> {
    val answers =
        result.answers.take(MOST_ANSWERS).map {
            String.format(Locale.ROOT, "%s  (%d to %d, score %.4f)", it.text, it.start, it.end, it.score)
        }
    val best = result.answer?.text ?: "no answer"
    return listOf(best) + answers + "the context in ${result.windowCount} parts"
}

private fun checkGolden(bundle: Bundle, factory: DesktopEngineFactory, out: PrintStream): Int {
    val checks = bundle.models.map { GoldenCheck.run(bundle, factory, it) }
    for (check in checks) {
        out.println(
            String.format(
                Locale.ROOT,
                "%s: %d examples, largest difference %.1e, %d with other tokens or answers: %s",
                check.model,
                check.examples,
                check.largestDifference,
                check.others.size,
                if (check.passes) "passes" else "fails",
            )
        )
    }
    return if (checks.all { it.passes }) 0 else 1
}
