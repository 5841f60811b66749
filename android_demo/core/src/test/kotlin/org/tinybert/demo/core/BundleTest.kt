package org.tinybert.demo.core

import java.io.IOException
import java.io.InputStream
import java.nio.ByteOrder
import org.json.JSONArray
import org.json.JSONObject
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows

class BundleTest {
    private fun assertMessage(vararg parts: String, read: () -> Unit) {
        val message = assertThrows<BundleException>(parts.joinToString()) { read() }.message!!
        for (part in parts) assertTrue(part in message, "expected \"$part\" in: $message")
    }

    /** A bundle spoiled before its hashes are made. */
    private fun assertRefused(vararg parts: String, spoil: TestBundle.() -> Unit) {
        val bundle = TestBundle().apply(spoil).seal()
        assertMessage(*parts) { bundle.read() }
    }

    /** A bundle spoiled after its hashes were made. */
    private fun assertRefusedSealed(vararg parts: String, spoil: TestBundle.() -> Unit) {
        val bundle = TestBundle().seal().apply(spoil)
        assertMessage(*parts) { bundle.read() }
    }

    @Test
    fun `reads all there is`() {
        val source = TestBundle().seal()
        val bundle = source.read()
        val info = bundle.info
        assertEquals(
            "things 1 Of things. somebody Apache-2.0",
            info.run { "$name $version $description $author $license" },
        )
        assertEquals(TaskType.CLASSIFICATION, info.task.type)
        assertEquals(1, info.task.textCount)
        assertEquals(listOf("negative", "positive"), info.labels)
        assertTrue(info.tokenizer.lowercase && info.output.hasSoftmax)
        assertEquals(
            listOf(8, 100),
            info.tokenizer.run { listOf(vocabularySize, maxCharactersPerWord) },
        )
        assertEquals("2.9.0", info.minimumRuntime)
        assertEquals(
            mapOf("length_8" to 8, "length_16" to 16),
            info.files["model_multi.tflite"]!!.signatures,
        )
        assertEquals(listOf(0.9, 0.875), info.accuracy.run { keras.values + model.values })
        assertEquals(
            listOf(0.25, 0.0625),
            info.accuracy.run { listOf(maxDifference, meanDifference) },
        )
        assertNull(info.accuracy.labelAgreement)
        assertEquals(TestBundle.VOCABULARY, List(8) { bundle.vocabulary.token(it) })
        assertEquals(listOf("model_multi.tflite", "model.tflite"), bundle.models)

        val golden = bundle.golden().single()
        assertEquals(listOf("good"), golden.texts)
        assertEquals(listOf(2, 4, 3), golden.tokenIds.toList())
        assertArrayEquals(floatArrayOf(0.125f, 0.875f), golden.outputs["model_multi.tflite"])
    }

    @Test
    fun `a model is a direct buffer in native order`() {
        val source = TestBundle().seal()
        val buffer = source.read().model("model.tflite")
        assertTrue(buffer.isDirect)
        assertEquals(ByteOrder.nativeOrder(), buffer.order())
        val bytes = ByteArray(buffer.remaining())
        buffer.get(bytes)
        assertArrayEquals(source.files["model.tflite"], bytes)
    }

    @Test
    fun `optional files may be absent`() {
        val source = TestBundle()
        source.files -= listOf("model_multi.tflite", "labels.txt")
        assertEquals(listOf("model.tflite"), source.seal().read().models)
    }

    @Test
    fun `one of the two models is enough`() {
        val source = TestBundle()
        source.files -= "model.tflite"
        val bundle = source.seal().read()
        assertEquals(listOf("model_multi.tflite"), bundle.models)
        assertEquals("model_multi.tflite", bundle.preferredModel)
    }

    @Test
    fun `what the tokenizer does beyond case`() {
        val plain = TestBundle().seal().read().info.tokenizer
        assertTrue(plain.stripAccents && plain.tokenizeChineseCharacters)
        assertEquals(emptyList<AddedToken>(), plain.addedTokens)

        val bundle = TestBundle().apply { keepAccents() }.seal().read()
        val tokenizer = bundle.info.tokenizer
        assertTrue(tokenizer.lowercase && !tokenizer.stripAccents)
        assertTrue(!tokenizer.tokenizeChineseCharacters)
        val added = tokenizer.addedTokens.map { it.content to it.normalized }
        assertEquals(listOf("bad" to true, "good" to false), added)
    }

    @Test
    fun `files that are not of the bundle do not matter`() {
        val source = TestBundle().seal()
        source.files[".DS_Store"] = ByteArray(3)
        source.read()
    }

    @Test
    fun `refuses a newer schema, whatever else it says`() {
        assertRefusedSealed("bundle.json has schema version 3, this app reads up to 2", "Update") {
            files["bundle.json"] = """{"schema_version": 3, "all": "new"}""".toByteArray()
        }
    }

    @Test
    fun `refuses missing files`() {
        assertRefusedSealed("bundle.json is missing", "no bundle") { files.clear() }
        for (name in TestBundle().files.keys) {
            assertRefusedSealed("$name is missing", "Copy the whole bundle") { files -= name }
        }
        for (name in listOf("vocab.txt", "golden.json")) {
            assertRefused("bundle.json: files has no $name") { files -= name }
        }
        assertRefused("bundle.json: files has no model.tflite") {
            files -= listOf("model.tflite", "model_multi.tflite")
        }
    }

    @Test
    fun `refuses cut, grown and altered files`() {
        for (name in TestBundle().files.keys) {
            val size = TestBundle().files[name]!!.size
            assertRefusedSealed("$name has ${size - 1} bytes, bundle.json says $size") {
                files[name] = files[name]!!.copyOf(size - 1)
            }
            assertRefusedSealed("$name has 0 bytes") { files[name] = ByteArray(0) }
            assertRefusedSealed("$name has more than $size bytes") {
                files[name] = files[name]!!.copyOf(size + 100_000)
            }
            assertRefusedSealed("$name is not the file that was exported") {
                files[name] = files[name]!!.clone().also { it[size / 2]++ }
            }
        }
    }

    @Test
    fun `refuses a bundle_json that was cut or altered`() {
        assertRefusedSealed("bundle.json is not the file that was exported") {
            val text = String(files["bundle.json"]!!)
            files["bundle.json"] = text.replace("somebody", "somebodY").toByteArray()
        }
        assertRefusedSealed("bundle.json is not the file that was exported") {
            val text = String(files["bundle.json"]!!)
            val hash = JSONObject(text).getString("sha256")
            files["bundle.json"] = text.replace(hash, "x").toByteArray()
        }
        val whole = TestBundle().seal().files["bundle.json"]!!
        for (size in listOf(0, 1, whole.size / 2, whole.size - 1)) {
            assertRefusedSealed("bundle.json is not valid JSON", "copy the bundle again") {
                files["bundle.json"] = whole.copyOf(size)
            }
        }
    }

    @Test
    fun `refuses a bundle_json that is none`() {
        assertRefusedSealed("bundle.json is not valid JSON") {
            files["bundle.json"] = "[".repeat(500_000).toByteArray()
        }
        assertRefusedSealed("bundle.json is not valid JSON") {
            files["bundle.json"] = "[1, 2]".toByteArray()
        }
        assertRefusedSealed("bundle.json, line 2: byte 0xe9 is not UTF-8") {
            files["bundle.json"] = "{\n\u00E9".toByteArray(Charsets.ISO_8859_1)
        }
        assertRefusedSealed("more than 1048576 bytes") {
            files["bundle.json"] = ByteArray(2 shl 20) { ' '.code.toByte() }
        }
    }

    /** The fields of an object and of those in it, as paths. */
    private fun paths(json: JSONObject, parent: List<String> = listOf()): List<List<String>> =
        json.keySet().flatMap { name ->
            val path = parent + name
            listOf(path) + ((json.get(name) as? JSONObject)?.let { paths(it, path) }.orEmpty())
        }

    /** Reads a bundle whose bundle.json has another value at a path, or, for null, none. */
    private fun readWith(path: List<String>, value: Any?): Bundle {
        val bundle = TestBundle().seal()
        val json = JSONObject(String(bundle.files["bundle.json"]!!))
        val parent = path.dropLast(1).fold(json) { at, name -> at.getJSONObject(name) }
        if (value == null) parent.remove(path.last()) else parent.put(path.last(), value)
        if (path != listOf("sha256")) bundle.sealJson(json)
        return bundle.read()
    }

    @Test
    fun `every field of another type is refused by its name`() {
        val paths = paths(JSONObject(String(TestBundle().seal().files["bundle.json"]!!)))
        val read = paths.filter { it[0] !in listOf("made_by", "sha256") }
        assertEquals(56, read.size)
        for (path in read) {
            for (wrong in listOf(JSONArray("[[1]]"), JSONObject.NULL)) {
                if (wrong == JSONObject.NULL && path.last() == "label_agreement") continue
                assertMessage(path.last(), "Export the bundle again") { readWith(path, wrong) }
            }
        }
    }

    @Test
    fun `every required field that is missing is refused by its name`() {
        val paths = paths(JSONObject(String(TestBundle().seal().files["bundle.json"]!!)))
        val optional = listOf("made_by", "sha256", "labels.txt", "model_multi.tflite")
        val required =
            paths
                .filter { path -> path.none { it in optional || it == "accuracy" } }
                // Of the two models one is enough, if it is whole.
                .filter { "signatures" !in it.dropLast(1) && it.last() != "model.tflite" } +
                listOf(listOf("accuracy"))
        for (path in required) assertMessage(path.last()) { readWith(path, null) }
    }

    @Test
    fun `refuses a runtime that is too old`() {
        val minimum = { version: String ->
            TestBundle()
                .apply { json.getJSONObject("runtime").put("minimum_tensorflow_lite", version) }
                .seal()
        }
        val newEnough = listOf("2.9.0", "2.9.1", "2.16.1", "2.20.0-dev", "1.4.2", "2.1.5")
        for (actual in newEnough) minimum("2.9.0").read(actual)
        for (actual in listOf("2.8.9", "2.5.0-rc1")) {
            val numbers = actual.removeSuffix("-rc1")
            assertMessage(
                "the models need TensorFlow Lite 2.9.0, this app has TensorFlow Lite $numbers",
                "Update",
            ) {
                minimum("2.9.0").read(actual)
            }
        }
        assertMessage("need TensorFlow Lite 2.17.0, this app has TensorFlow Lite 2.16.1") {
            minimum("2.17.0").read("2.16.1")
        }
        assertMessage("The version newest of a runtime cannot be compared") {
            minimum("newest").read()
        }
    }

    @Test
    fun `says on which runtime it is fast, if it knows`() {
        assertNull(TestBundle().seal().read().info.fastRuntime)
        val bundle = TestBundle().apply { json.getJSONObject("runtime").put("fast_litert", "1.1.2") }
        assertEquals("LiteRT 1.1.2", "${bundle.seal().read().info.fastRuntime}")
    }

    @Test
    fun `refuses a vocabulary of another size, or none`() {
        assertRefused("vocab.txt has 9 tokens, bundle.json says 8") {
            files["vocab.txt"] = files["vocab.txt"]!! + "more\n".toByteArray()
        }
        assertRefused("vocab.txt has 7 tokens, bundle.json says 8") {
            files["vocab.txt"] = TestBundle.VOCABULARY.dropLast(1).joinToString("\n").toByteArray()
        }
        assertRefused("vocab.txt: has no [PAD], [UNK], [CLS], [SEP]") {
            files["vocab.txt"] = "a\nb\n".toByteArray()
        }
    }

    @Test
    fun `refuses labels that do not match`() {
        for (labels in
            listOf("positive\nnegative\n", "negative\n", "\n", "negative\npositive\nodd\n")) {
            assertRefused("labels.txt has the labels", "bundle.json has [negative, positive]") {
                files["labels.txt"] = labels.toByteArray()
            }
        }
        assertRefused(
            "labels is [a, a], expected every label once"
        ) {
            json.put("labels", JSONArray(listOf("a", "a")))
        }
        assertRefused("labels is empty, the task is a classification") {
            json.put("labels", JSONArray())
        }
        assertRefused("labels is [a], the task is no classification") {
            setTask("regression", 1, listOf("a"), "score")
        }
    }

    @Test
    fun `refuses tasks and outputs that it does not know`() {
        assertRefused("task.type is \"sequence\", expected: classification | regression | span") {
            json.getJSONObject("task").put("type", "sequence")
        }
        assertRefused("bundle.json: task.num_texts is 3, expected: integer 1..2") {
            json.getJSONObject("task").put("num_texts", 3)
        }
        assertRefused("bundle.json: outputs is [score], expected: [probability]") {
            json.getJSONArray("outputs").getJSONObject(0).put("name", "score")
        }
        assertRefused("bundle.json: outputs[0].activation is \"relu\", expected: softmax | none") {
            json.getJSONArray("outputs").getJSONObject(0).put("activation", "relu")
        }
        assertRefused(
            "bundle.json: inputs is [ids, mask, segment_ids], expected: [ids, segment_ids"
        ) {
            json.put("inputs", JSONArray(listOf("ids", "mask", "segment_ids")))
        }
        assertRefused("bundle.json: tokenizer.type is \"sentencepiece\"") {
            json.getJSONObject("tokenizer").put("type", "sentencepiece")
        }
        assertRefused("bundle.json: tokenizer.strip_accents is \"no\", expected: true | false") {
            json.getJSONObject("tokenizer").put("strip_accents", "no")
        }
        assertRefused("bundle.json: tokenizer.added_tokens[0].normalized is missing") {
            val token = JSONObject().put("content", "good")
            json.getJSONObject("tokenizer").put("added_tokens", JSONArray(listOf(token)))
        }
    }

    @Test
    fun `refuses a file list that leads elsewhere or is too large`() {
        val entry = JSONObject().put("bytes", 1).put("sha256", "0".repeat(64))
        assertRefusedSealed("bundle.json: files names “../secret”") {
            json.getJSONObject("files").put("../secret", entry)
            sealJson(json)
        }
        assertRefusedSealed("bundle.json: files.vocab.txt.bytes is 999999999999") {
            json.getJSONObject("files").getJSONObject("vocab.txt").put("bytes", 999_999_999_999)
            sealJson(json)
        }
        assertRefusedSealed("bundle.json: files.model.tflite.signatures.serving_default is 2") {
            json
                .getJSONObject("files")
                .getJSONObject("model.tflite")
                .getJSONObject("signatures")
                .put("serving_default", 2)
            sealJson(json)
        }
    }

    @Test
    fun `a model that changes after the bundle was read is refused`() {
        val source = TestBundle().seal()
        val bundle = source.read()
        source.files["model.tflite"] = source.files["model.tflite"]!!.clone().also { it[9]++ }
        assertMessage("model.tflite is not the file that was exported") {
            bundle.model("model.tflite")
        }
        source.files -= "model_multi.tflite"
        assertMessage("model_multi.tflite is missing") { bundle.model() }
    }

    @Test
    fun `a file that cannot be read is named`() {
        val source = TestBundle().seal()
        val failing =
            object : BundleSource by source {
                override fun open(name: String): InputStream =
                    if (name == "vocab.txt") throw IOException("the card was taken out")
                    else source.open(name)
            }
        assertMessage("vocab.txt cannot be read (the card was taken out)") {
            Bundle.read(failing, "2.16.1")
        }
    }

    @Test
    fun `a golden file that is none is refused`() {
        val outputs = """"outputs": {"model.tflite": {"probability": [1]}}"""
        val texts =
            listOf(
                "{}",
                "[",
                """{"examples": []}""",
                """{"examples": [{"texts": [1]}]}""",
                """{"examples": [{"texts": ["a"], "token_ids": [2, 8], "segment_ids": [0, 0]}]}""",
                """{"examples": [{"texts": ["a"], "token_ids": [2, 3], "segment_ids": [0]}]}""",
                """{"examples": [{"texts": [], "token_ids": [2], "segment_ids": [0], $outputs}]}""",
            )
        for (text in texts) {
            val source = TestBundle()
            source.files["golden.json"] = text.toByteArray()
            assertMessage("golden.json") { source.seal().read().golden() }
        }
    }

    /** Counts what is read of a file that has no end. */
    private class Endless : InputStream() {
        var count = 0L

        override fun read(): Int = 0.also { count++ }

        override fun read(bytes: ByteArray, offset: Int, length: Int): Int {
            bytes.fill(' '.code.toByte(), offset, offset + length)
            count += length
            return length
        }
    }

    @Test
    fun `a file without an end is refused`() {
        val source = TestBundle().seal()
        for (name in source.files.keys) {
            val endless = Endless()
            val bundle =
                object : BundleSource by source {
                    override fun open(name: String): InputStream =
                        if (name == endlessName) endless else source.open(name)

                    val endlessName = name
                }
            assertMessage(name, "more than") { Bundle.read(bundle, "2.16.1") }
            assertTrue(endless.count < 2 shl 20, "${endless.count} bytes of $name were read")
        }
    }

    @Test
    fun `every changed byte and every cut of bundle_json is refused`() {
        val bundle = TestBundle().seal()
        val whole = bundle.files["bundle.json"]!!
        for (position in whole.indices) {
            bundle.files["bundle.json"] = whole.clone().also { it[position]++ }
            assertThrows<BundleException>("byte $position") { bundle.read() }
            bundle.files["bundle.json"] = whole.copyOf(position)
            assertThrows<BundleException>("cut at $position") { bundle.read() }
        }
        bundle.files["bundle.json"] = whole
        bundle.read()
    }
}
