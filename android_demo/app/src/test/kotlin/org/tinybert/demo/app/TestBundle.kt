package org.tinybert.demo.app

import java.io.File
import java.security.MessageDigest
import org.json.JSONArray
import org.json.JSONObject

/**
 * A small whole bundle in a folder, of a model that only [FakeEngine] runs.
 *
 * @param change alters bundle.json before it gets its hash
 */
fun writeTestBundle(
    folder: File,
    labels: List<String> = listOf("negative", "positive"),
    textCount: Int = 1,
    change: JSONObject.() -> Unit = {},
): File {
    folder.mkdirs()
    File(folder, "model.tflite").writeText("a model for the fake engine")
    File(folder, "vocab.txt").writeText(VOCABULARY.joinToString("\n", postfix = "\n"))
    File(folder, "golden.json").writeText("""{"schema_version": 1, "examples": []}""")
    val files = JSONObject()
    for (name in listOf("model.tflite", "vocab.txt", "golden.json")) {
        val bytes = File(folder, name).readBytes()
        files.put(name, JSONObject().put("bytes", bytes.size).put("sha256", sha256(bytes)))
    }
    files.getJSONObject("model.tflite")
        .put("signatures", JSONObject().put("serving_default", FakeEngine.LENGTH))
    val isRegression = labels.isEmpty()
    val json = JSONObject()
        .put("schema_version", 1)
        .put("name", "film_test")
        .put("version", "3")
        .put("description", "Tells good films from bad ones.")
        .put("author", "A test")
        .put("license", "MIT")
        .put(
            "task",
            JSONObject().put("name", "films").put("num_texts", textCount)
                .put("type", if (isRegression) "regression" else "classification"),
        )
        .put("labels", JSONArray(labels))
        .put(
            "tokenizer",
            JSONObject().put("type", "bert_wordpiece").put("lowercase", true)
                .put("vocabulary_size", VOCABULARY.size).put("max_characters_per_word", 100),
        )
        .put("inputs", JSONArray(listOf("ids", "segment_ids", "mask")))
        .put(
            "outputs",
            JSONArray().put(
                JSONObject().put("name", if (isRegression) "score" else "probability")
                    .put("activation", if (isRegression) "none" else "softmax"),
            ),
        )
        .put(
            "quantization",
            JSONObject().put("profile", "dynamic_int8").put("weights", "int8")
                .put("embedding", "int8").put("activations", "float32"),
        )
        .put(
            "runtime",
            JSONObject().put("minimum_tensorflow_lite", "2.9.0").put("fast_litert", "1.1.2"),
        )
        .put("files", files)
        .put(
            "accuracy",
            JSONObject().put("split", "validation").put("examples", 872)
                .put("keras", JSONObject().put("accuracy", 0.9002))
                .put("model", JSONObject().put("accuracy", 0.8991))
                .put("max_difference", 0.0876).put("mean_difference", 0.0042)
                .put("label_agreement", 0.9977),
        )
        .put("made_by", JSONObject())
        .put("sha256", ZEROS)
    json.change()
    val text = json.toString(2)
    val hash = sha256(text.toByteArray())
    File(folder, "bundle.json").writeText(text.replace(ZEROS, hash))
    return folder
}

/** As [writeTestBundle], of a model that answers questions in windows of sixteen tokens. */
fun writeSpanBundle(folder: File, hasUnanswerable: Boolean = false): File =
    writeTestBundle(folder, labels = emptyList(), textCount = 2) {
        val windows = JSONObject().put("doc_stride", 4).put("max_query_tokens", 4)
        getJSONObject("task").put("type", "span").put("has_unanswerable", hasUnanswerable)
            .put("windows", windows.put("max_answer_tokens", 5))
        val outputs = listOf("end_logits", "start_logits").map {
            JSONObject().put("name", it).put("activation", "none")
        }
        put("outputs", JSONArray(outputs))
    }

/** The words that the test texts are made of. */
val VOCABULARY = listOf("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "film", "good", "bad", ".")

private val ZEROS = "0".repeat(64)

private fun sha256(bytes: ByteArray): String =
    MessageDigest.getInstance("SHA-256").digest(bytes).joinToString("") { "%02x".format(it) }
