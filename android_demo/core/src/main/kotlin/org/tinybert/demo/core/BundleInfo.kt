package org.tinybert.demo.core

/** What bundle.json says about a bundle. Fields are as in `export/bundle.schema.json`. */
class BundleInfo(
    val name: String,
    /** Of the model, as its maker counts. */
    val version: String,
    val description: String,
    val author: String,
    /** Of the weights. */
    val license: String,
    val task: TaskInfo,
    /** In the order of the outputs; empty for a regression. */
    val labels: List<String>,
    val tokenizer: TokenizerInfo,
    val output: OutputInfo,
    val quantization: QuantizationInfo,
    /** The oldest TensorFlow Lite that runs the models, such as `"2.9.0"`. */
    val minimumRuntime: String,
    /** The oldest runtime known to run the models fast; null if the bundle does not say. */
    val fastRuntime: RuntimeVersion?,
    /** Every file but bundle.json, by name. */
    val files: Map<String, FileInfo>,
    val accuracy: AccuracyInfo,
    /** Of bundle.json, and through it of every file. */
    val sha256: String,
)

/** What a model does; [textCount] is 1, or 2 for pairs; [spans] is there for [TaskType.SPAN]. */
class TaskInfo(
    val name: String,
    val type: TaskType,
    val textCount: Int,
    val spans: SpanInfo? = null,
)

/**
 * The kinds of task that the demo runs.
 *
 * @property outputs the names of a model's outputs, sorted
 */
enum class TaskType(internal val label: String, internal val outputs: List<String>) {
    CLASSIFICATION("classification", listOf("probability")),
    REGRESSION("regression", listOf("score")),
    /** Questions, answered by a span of their context. */
    SPAN("span", listOf(END_LOGITS, START_LOGITS)),
}

/** How contexts are cut into windows, and answers chosen. */
class SpanInfo(
    /** Whether no answer is one. */
    val hasUnanswerable: Boolean,
    /** Tokens from the start of a window to that of the next. */
    val docStride: Int,
    /** Questions are cut to so many. */
    val maxQueryTokens: Int,
    /** Longer spans are no answers. */
    val maxAnswerTokens: Int,
)

/** How texts become ids; see [BertTokenizer]. */
class TokenizerInfo(
    val lowercase: Boolean,
    val stripAccents: Boolean,
    val tokenizeChineseCharacters: Boolean,
    val addedTokens: List<AddedToken>,
    val vocabularySize: Int,
    val maxCharactersPerWord: Int,
)

/** The outputs of the models, sorted, and whether they apply the softmax themselves. */
class OutputInfo(val names: List<String>, val hasSoftmax: Boolean)

/** How the weights are stored. */
class QuantizationInfo(
    val profile: String,
    val weights: String,
    val embedding: String,
    val activations: String,
)

/** A file of a bundle; [signatures] is the length in tokens of each signature of a model. */
class FileInfo(val bytes: Long, val sha256: String, val signatures: Map<String, Int>)

/** What the exporter measured on data that the model was not trained on. */
class AccuracyInfo(
    val split: String,
    val examples: Int,
    /** Metrics of the float32 Keras model. */
    val keras: Map<String, Double>,
    /** Metrics of model.tflite. */
    val model: Map<String, Double>,
    /** Of an output to Keras's. */
    val maxDifference: Double,
    val meanDifference: Double,
    /** Share of examples with Keras's label; null without labels. */
    val labelAgreement: Double?,
)

/** Reads the fields of bundle.json, whose schema version is known. @throws BundleException */
internal fun bundleInfo(json: JsonFields): BundleInfo {
    val task = taskInfo(json.fields("task"))
    val labels = json.texts("labels")
    checkLabels(labels, task.type)
    val inputs = json.texts("inputs")
    if (inputs != INPUTS) throw json.wrong("inputs", inputs, "$INPUTS")
    val runtime = json.fields("runtime")
    return BundleInfo(
        name = json.text("name"),
        version = json.text("version"),
        description = json.text("description"),
        author = json.text("author"),
        license = json.text("license"),
        task = task,
        labels = labels,
        tokenizer = tokenizerInfo(json.fields("tokenizer")),
        output = outputInfo(json, task.type),
        quantization = quantizationInfo(json.fields("quantization")),
        minimumRuntime = runtime.text("minimum_tensorflow_lite"),
        fastRuntime =
            if (FAST_LITERT in runtime) RuntimeVersion.liteRt(runtime.text(FAST_LITERT)) else null,
        files = filesInfo(json.fields("files")),
        accuracy = accuracyInfo(json.fields("accuracy")),
        sha256 = json.text("sha256"),
    )
}

private fun taskInfo(json: JsonFields): TaskInfo {
    val type =
        when (val name = json.text("type")) {
            TaskType.CLASSIFICATION.label -> TaskType.CLASSIFICATION
            TaskType.REGRESSION.label -> TaskType.REGRESSION
            TaskType.SPAN.label -> TaskType.SPAN
            else -> throw json.wrong("type", name, TaskType.entries.joinToString(" | ") { it.label })
        }
    val spans = if (type == TaskType.SPAN) spanInfo(json) else null
    val leastTexts = if (type == TaskType.SPAN) 2L else 1L
    val textCount = json.integer("num_texts", leastTexts, 2).toInt()
    return TaskInfo(json.text("name"), type, textCount, spans)
}

private fun spanInfo(json: JsonFields): SpanInfo {
    val windows = json.fields("windows")
    return SpanInfo(
        hasUnanswerable = json.boolean("has_unanswerable"),
        docStride = windows.integer("doc_stride", 1).toInt(),
        maxQueryTokens = windows.integer("max_query_tokens", 1).toInt(),
        maxAnswerTokens = windows.integer("max_answer_tokens", 1).toInt(),
    )
}

private fun checkLabels(labels: List<String>, type: TaskType) {
    val hasLabels = type == TaskType.CLASSIFICATION
    if (hasLabels && labels.isEmpty()) throw BundleException(Problem.LABELS_MISSING)
    if (!hasLabels && labels.isNotEmpty()) throw BundleException(Problem.LABELS_UNEXPECTED, labels)
    if (labels.distinct() != labels) throw BundleException(Problem.LABELS_REPEATED, labels)
}

private fun tokenizerInfo(json: JsonFields): TokenizerInfo {
    val type = json.text("type")
    if (type != "bert_wordpiece") throw json.wrong("type", type, "bert_wordpiece")
    val lowercase = json.boolean("lowercase")
    // The next three are there if the tokenizer does not do what BERT's does by itself.
    fun boolean(name: String, otherwise: Boolean) = if (name in json) json.boolean(name) else otherwise
    return TokenizerInfo(
        lowercase,
        stripAccents = boolean("strip_accents", lowercase),
        tokenizeChineseCharacters = boolean("tokenize_chinese_chars", true),
        addedTokens = if ("added_tokens" in json) addedTokens(json) else emptyList(),
        vocabularySize = json.integer("vocabulary_size", 4).toInt(),
        maxCharactersPerWord =
            json.integer("max_characters_per_word", 1, MAX_CHARACTERS_PER_WORD).toInt(),
    )
}

private fun addedTokens(json: JsonFields): List<AddedToken> =
    json.objects("added_tokens").map { AddedToken(it.text("content"), it.boolean("normalized")) }

private fun outputInfo(json: JsonFields, type: TaskType): OutputInfo {
    val outputs = json.objects("outputs")
    val names = outputs.map { it.text("name") }
    if (names.sorted() != type.outputs) throw json.wrong("outputs", names, "${type.outputs}")
    val activations = outputs.map { output ->
        val activation = output.text("activation")
        if (activation !in ACTIVATIONS) {
            throw output.wrong("activation", activation, ACTIVATIONS.joinToString(" | "))
        }
        activation
    }
    return OutputInfo(type.outputs, hasSoftmax = SOFTMAX in activations)
}

private fun quantizationInfo(json: JsonFields) =
    QuantizationInfo(
        json.text("profile"),
        json.text("weights"),
        json.text("embedding"),
        json.text("activations"),
    )

private fun filesInfo(json: JsonFields): Map<String, FileInfo> {
    val missing = REQUIRED_FILES.filter { it !in json }.toMutableList()
    // An app may carry one of the two.
    if (MODEL !in json && MULTI_LENGTH_MODEL !in json) missing += MODEL
    if (missing.isNotEmpty()) {
        throw BundleException(Problem.FILE_NOT_LISTED, missing.joinToString())
    }
    return json.names.associateWith { name ->
        if (name !in KNOWN_FILES) {
            throw BundleException(Problem.FILE_UNKNOWN, name, KNOWN_FILES.joinToString())
        }
        fileInfo(name, json.fields(name))
    }
}

private fun fileInfo(name: String, json: JsonFields): FileInfo {
    val isModel = name.endsWith(".tflite")
    val sha256 = json.text("sha256")
    if (!SHA256.matches(sha256)) throw json.wrong("sha256", sha256, SHA256.pattern)
    return FileInfo(
        json.integer("bytes", 1, if (isModel) MAX_MODEL_BYTES else MAX_TEXT_BYTES),
        sha256,
        if (isModel) signatures(json) else emptyMap(),
    )
}

private fun signatures(json: JsonFields): Map<String, Int> {
    val lengths = json.fields("signatures")
    if (lengths.names.isEmpty()) {
        throw json.wrong("signatures", "{}", "{name: integer, ...}")
    }
    return lengths.names.associateWith { lengths.integer(it, 3).toInt() }
}

private fun accuracyInfo(json: JsonFields): AccuracyInfo {
    fun metrics(name: String): Map<String, Double> {
        val fields = json.fields(name)
        return fields.names.sorted().associateWith { fields.number(it) }
    }
    return AccuracyInfo(
        json.text("split"),
        json.integer("examples", 1).toInt(),
        metrics("keras"),
        metrics("model"),
        json.number("max_difference"),
        json.number("mean_difference"),
        json.numberOrNull("label_agreement"),
    )
}

internal val SHA256 = Regex("[0-9a-f]{64}")

private const val FAST_LITERT = "fast_litert"
private const val SOFTMAX = "softmax"
private val ACTIVATIONS = listOf(SOFTMAX, "none")
internal const val START_LOGITS = "start_logits"
internal const val END_LOGITS = "end_logits"
private val INPUTS = listOf("ids", "segment_ids", "mask")
internal const val MODEL = "model.tflite"
internal const val MULTI_LENGTH_MODEL = "model_multi.tflite"
private val REQUIRED_FILES = listOf("vocab.txt", "golden.json")
private val KNOWN_FILES = REQUIRED_FILES + listOf(MODEL, MULTI_LENGTH_MODEL, "labels.txt")

/** A buffer holds no more; nor does a phone. */
private const val MAX_MODEL_BYTES = Int.MAX_VALUE.toLong()
private const val MAX_TEXT_BYTES = 16L shl 20
private const val MAX_CHARACTERS_PER_WORD = 10_000L
