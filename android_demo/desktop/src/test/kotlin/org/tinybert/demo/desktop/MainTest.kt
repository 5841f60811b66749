package org.tinybert.demo.desktop

import java.io.ByteArrayOutputStream
import java.io.File
import java.io.PrintStream
import java.util.zip.ZipEntry
import java.util.zip.ZipOutputStream
import org.json.JSONObject
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

class MainTest {
    @TempDir lateinit var folder: File

    private val single = resource("classification_bundle").path
    private val span = resource("span_bundle").path
    private val pair = resource("pair_regression_bundle").path

    private class Outcome(val code: Int, val out: String, val err: String)

    private fun run(vararg arguments: String): Outcome {
        val out = ByteArrayOutputStream()
        val err = ByteArrayOutputStream()
        val code = runCommand(arguments.toList(), PrintStream(out), PrintStream(err))
        return Outcome(code, out.toString(), err.toString())
    }

    private fun assertRefused(message: String, vararg arguments: String) {
        val outcome = run(*arguments)
        assertEquals(2, outcome.code, message)
        assertTrue(message in outcome.err, outcome.err)
        assertTrue("\tat " !in outcome.err, outcome.err)
        assertEquals("", outcome.out)
    }

    @Test
    fun `a text`() {
        val outcome = run("--bundle", single, "--text", "Good!")
        assertEquals(0, outcome.code, outcome.err)
        val lines = outcome.out.trim().lines()
        assertEquals(listOf("neutral", "against", "for"), lines.take(3).map { it.split(" ")[0] })
        assertEquals(1.0, lines.take(3).sumOf { it.split(" ").last().toDouble() }, 2e-4)
        assertEquals("[CLS] good ! [SEP]", lines[3])
        assertEquals("4 tokens in length 16", lines[4])
        assertTrue(Regex("\\d+\\.\\d\\d ms from text to result.*").matches(lines[5]), lines[5])
    }

    @Test
    fun `a long text`() {
        val outcome = run("--bundle", single, "--text", "good ".repeat(1 shl 18))
        assertTrue(
            "32 tokens in length 32, the end of the text left out" in outcome.out,
            outcome.out,
        )
    }

    @Test
    fun `a pair, of a zip`() {
        val zip = File(folder, "pair.zip")
        ZipOutputStream(zip.outputStream()).use { stream ->
            for (file in File(pair).listFiles()!!) {
                stream.putNextEntry(ZipEntry("pair/${file.name}"))
                file.inputStream().use { it.copyTo(stream) }
            }
        }
        val outcome = run("--bundle", zip.path, "--text", "good", "--second", "bad")
        assertEquals(0, outcome.code, outcome.err)
        assertTrue("[CLS] good [SEP] bad [SEP]" in outcome.out, outcome.out)
        assertTrue(Regex("score +-?\\d+\\.\\d{4}").matches(outcome.out.lines()[0]), outcome.out)
    }

    @Test
    fun `a question and its context`() {
        val context = "The kettle is on the stove, and the cat is under the table."
        val outcome = run("--bundle", span, "--text", "What is on the stove?", "--second", context)
        assertEquals(0, outcome.code, outcome.err)
        val lines = outcome.out.trim().lines()
        // As golden.json has it: the weights are random.
        assertEquals("d", lines[0])
        assertTrue(Regex("d  \\(45 to 46, score 4.1\\d+\\)").matches(lines[1]), lines[1])
        assertEquals("the context in 3 parts", lines[4])
    }

    @Test
    fun `without a text the golden examples are run`() {
        val outcome = run("--bundle", single)
        assertEquals(0, outcome.code, outcome.err)
        val lines = outcome.out.trim().lines()
        assertEquals(
            listOf("model_multi.tflite", "model.tflite"),
            lines.map { it.substringBefore(":") },
        )
        for (line in lines) assertTrue(line.endsWith("0 with other tokens or answers: passes"), line)
    }

    @Test
    fun `golden examples that differ are counted and exit with 1`() {
        val changed =
            changedBundle(File(single), File(folder, "changed")) { copy ->
                val file = File(copy, "golden.json")
                val json = JSONObject(file.readText())
                val example = json.getJSONArray("examples").getJSONObject(0)
                example.put("texts", listOf("other text"))
                val outputs = example.getJSONObject("outputs").getJSONObject("model.tflite")
                val first = outputs.getJSONArray("probability").getDouble(0)
                outputs.getJSONArray("probability").put(0, first + 0.002)
                file.writeText(json.toString())
            }
        val outcome = run("--bundle", changed.path)
        assertEquals(1, outcome.code)
        val line = outcome.out.lines().first { it.startsWith("model.tflite") }
        assertTrue("largest difference 2.0e-03, 1 with other tokens or answers: fails" in line, line)
    }

    @Test
    fun `mistakes are said without a stack trace`() {
        assertRefused("--bundle is missing", *arrayOf())
        assertRefused("usage:", "--text", "a")
        assertRefused("Unknown argument --model", "--model", "x")
        assertRefused("--text wants a value", "--bundle", single, "--text")
        assertRefused("--second wants a --text", "--bundle", pair, "--second", "a")
        assertRefused("use LC_ALL=C.UTF-8", "--bundle", single, "--text", "tr\uFFFD\uFFFDs")
        assertRefused("leave out --second", "--bundle", single, "--text", "a", "--second", "b")
        assertRefused("give the second text", "--bundle", pair, "--text", "a")
        assertRefused("give the context", "--bundle", span, "--text", "a")
        assertRefused("none is no folder", "--bundle", File(folder, "none").path)
        assertRefused("bundle.json is missing", "--bundle", folder.path)
        assertRefused("cannot be read as a zip", "--bundle", "$single/labels.txt")

        val model = File(folder, "damaged")
        changedBundle(File(single), model) { File(it, "model_multi.tflite").writeText("no model") }
        assertRefused("refuses the model: it is no", "--bundle", model.path, "--text", "a")
    }
}
