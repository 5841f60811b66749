package org.tinybert.demo.core

/** An example of golden.json: what went into the models, and what came out when it was exported. */
class GoldenExample(
    val texts: List<String>,
    /** Not padded. */
    val tokenIds: IntArray,
    val segmentIds: IntArray,
    /** The output of each model, by the model's name. */
    val outputs: Map<String, FloatArray>,
)

/** An example of a golden.json of questions. */
class GoldenQuestion(
    val question: String,
    val context: String,
    val windows: List<GoldenWindow>,
    /** The best answers that follow from the outputs of each model, by the model's name. */
    val answers: Map<String, List<Answer>>,
    /** As [answers]. */
    val noAnswerScores: Map<String, Float>,
)

/** A window of the context of a [GoldenQuestion]. */
class GoldenWindow(
    /** Not padded. */
    val tokenIds: IntArray,
    val segmentIds: IntArray,
    /** The outputs of each model at the tokens, by the model's and the output's name. */
    val outputs: Map<String, Map<String, FloatArray>>,
)

/** Reads golden.json of a bundle with some models. @throws BundleException if it cannot be used */
internal class GoldenFile(text: String, name: String, private val bundle: Bundle) {
    private val examples: List<JsonFields>

    init {
        val json = JsonFields.parse(text, name)
        examples = json.objects("examples")
        if (examples.isEmpty()) throw json.wrong("examples", "[]", "[object, ...]")
    }

    fun examples(): List<GoldenExample> = examples.map { json ->
        val ids = ids(json)
        val output = bundle.info.output.names.single()
        val outputs = json.fields("outputs")
        GoldenExample(
            json.texts("texts"),
            ids,
            json.integers("segment_ids"),
            bundle.models.associateWith { outputs.fields(it).floats(output) },
        )
    }

    fun questions(): List<GoldenQuestion> = examples.map { json ->
        val texts = json.texts("texts")
        if (texts.size != 2) throw json.wrong("texts", texts, "[question, context]")
        val (question, context) = texts
        val answers = json.fields("answers")
        val scores = json.fields("no_answer_scores")
        GoldenQuestion(
            question,
            context,
            json.objects("windows").map { window(it) },
            bundle.models.associateWith { model ->
                answers.objects(model).map { answer(it, context) }
            },
            bundle.models.associateWith { scores.number(it).toFloat() },
        )
    }

    private fun window(json: JsonFields): GoldenWindow {
        val outputs = json.fields("outputs")
        return GoldenWindow(
            ids(json),
            json.integers("segment_ids"),
            bundle.models.associateWith { model ->
                val values = outputs.fields(model)
                bundle.info.output.names.associateWith { values.floats(it) }
            },
        )
    }

    /** The file counts characters, a string their halves in UTF-16. */
    private fun answer(json: JsonFields, context: String): Answer {
        val characters = context.codePointCount(0, context.length).toLong()
        val (start, end) =
            listOf("start", "end").map {
                context.offsetByCodePoints(0, json.integer(it, 0, characters).toInt())
            }
        return Answer(json.text("text"), start, end, json.number("score"))
    }

    private fun ids(json: JsonFields): IntArray {
        val ids = json.integers("token_ids")
        val count = json.integers("segment_ids").size
        val size = bundle.vocabulary.size
        if (count != ids.size || ids.any { it !in 0 until size }) {
            throw json.wrong("token_ids", ids.toList(), "$count × integer 0..${size - 1}")
        }
        return ids
    }
}
