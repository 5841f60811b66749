package org.tinybert.demo.core

import java.io.FileNotFoundException
import java.io.InputStream
import java.security.MessageDigest
import org.json.JSONArray
import org.json.JSONObject

fun vocabularyOf(tokens: List<String>): Vocabulary =
    Vocabulary.read(tokens.joinToString("\n").toByteArray(), "vocab.txt")

fun sha256(bytes: ByteArray): String =
    MessageDigest.getInstance("SHA-256").digest(bytes).joinToString("") { "%02x".format(it) }

/** A bundle in memory, which a test may spoil: by [files], by [json], or after [seal]. */
class TestBundle : BundleSource {
    val files =
        linkedMapOf(
            "model.tflite" to ByteArray(200_000) { (it * 31).toByte() },
            "model_multi.tflite" to ByteArray(70_000) { (it * 37).toByte() },
            "vocab.txt" to VOCABULARY.joinToString("\n", postfix = "\n").toByteArray(),
            "labels.txt" to "negative\npositive\n".toByteArray(),
            "golden.json" to GOLDEN.toByteArray(),
        )
    val signatures =
        mapOf(
            "model.tflite" to mapOf("serving_default" to 16),
            "model_multi.tflite" to mapOf("length_8" to 8, "length_16" to 16),
        )
    val json = JSONObject(BUNDLE_JSON_TEXT)

    /** Writes bundle.json with the hashes of the files as they are now. */
    fun seal(): TestBundle {
        val entries = JSONObject()
        for ((name, bytes) in files) {
            val entry = JSONObject().put("bytes", bytes.size).put("sha256", sha256(bytes))
            signatures[name]?.let { entry.put("signatures", JSONObject(it)) }
            entries.put(name, entry)
        }
        if (!json.has("files")) json.put("files", entries)
        sealJson(json)
        return this
    }

    fun sealJson(json: JSONObject) {
        val zeros = "0".repeat(64)
        val text = json.put("sha256", zeros).toString(2)
        files["bundle.json"] = text.replace(zeros, sha256(text.toByteArray())).toByteArray()
    }

    override fun names(): Set<String> = files.keys

    override fun open(name: String): InputStream =
        files[name]?.inputStream() ?: throw FileNotFoundException(name)

    fun read(runtimeVersion: String = "2.16.1"): Bundle = Bundle.read(this, runtimeVersion)

    fun setTask(type: String, textCount: Int, labels: List<String>, output: String) {
        json.getJSONObject("task").put("type", type).put("num_texts", textCount)
        json.put("labels", JSONArray(labels))
        json.getJSONArray("outputs").getJSONObject(0).put("name", output)
        files["labels.txt"] = labels.joinToString("\n", postfix = "\n").toByteArray()
        if (labels.isEmpty()) files.remove("labels.txt")
    }

    /** Of questions, in windows that move on by two tokens. */
    fun setSpans(hasUnanswerable: Boolean) {
        setTask("span", 2, listOf(), "end_logits")
        val output = JSONObject().put("name", "start_logits").put("activation", "none")
        json.getJSONArray("outputs").put(output).getJSONObject(0).put("activation", "none")
        val windows = JSONObject().put("doc_stride", 2).put("max_query_tokens", 3)
        json
            .getJSONObject("task")
            .put("has_unanswerable", hasUnanswerable)
            .put("windows", windows.put("max_answer_tokens", 4))
    }

    /** A tokenizer that keeps accents and Chinese characters together, with two added tokens. */
    fun keepAccents() {
        json.put("schema_version", 2)
        val added =
            listOf("bad" to true, "good" to false).map { (content, normalized) ->
                JSONObject().put("content", content).put("normalized", normalized)
            }
        json
            .getJSONObject("tokenizer")
            .put("strip_accents", false)
            .put("tokenize_chinese_chars", false)
            .put("added_tokens", JSONArray(added))
    }

    companion object {
        val VOCABULARY = listOf("[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "##ly", ",")

        private const val BUNDLE_JSON_TEXT =
            """{
            "schema_version": 1, "name": "things", "version": "1", "description": "Of things.",
            "author": "somebody", "license": "Apache-2.0",
            "task": {"name": "things", "type": "classification", "num_texts": 1},
            "labels": ["negative", "positive"],
            "tokenizer": {"type": "bert_wordpiece", "lowercase": true, "vocabulary_size": 8,
                          "max_characters_per_word": 100},
            "inputs": ["ids", "segment_ids", "mask"],
            "outputs": [{"name": "probability", "activation": "softmax"}],
            "quantization": {"profile": "int8", "weights": "int8", "embedding": "int8",
                             "activations": "float32"},
            "runtime": {"minimum_tensorflow_lite": "2.9.0"},
            "accuracy": {"split": "dev", "examples": 872, "keras": {"accuracy": 0.9},
                         "model": {"accuracy": 0.875}, "max_difference": 0.25,
                         "mean_difference": 0.0625, "label_agreement": null},
            "made_by": {"tinybert_tf": "1.0", "options": {"length": 16}}
        }"""

        private const val GOLDEN =
            """{"schema_version": 1, "examples": [
            {"texts": ["good"], "token_ids": [2, 4, 3], "segment_ids": [0, 0, 0],
             "outputs": {"model.tflite": {"probability": [0.25, 0.75]},
                         "model_multi.tflite": {"probability": [0.125, 0.875]}}}]}"""
    }
}
