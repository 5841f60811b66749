package org.tinybert.demo.core

/**
 * What can be wrong with a bundle, its model or the runtime.
 *
 * @property text what users read of it: what came, what was expected, and the way out. In English,
 *   with places for the arguments as in `String.format`; an app has it in its own languages.
 */
enum class Problem(val text: String) {
    // === Where a bundle is ===
    NO_FOLDER("%1\$s is no folder. Name the folder of a bundle, or its .zip."),
    ZIP_UNREADABLE(
        "%1\$s cannot be read as a zip (%2\$s). Choose the .zip of a bundle; if it is one, it was " +
            "cut or altered on the way: copy it again."
    ),
    ZIP_LEADS_OUT(
        "%1\$s: the entry “%2\$s” leads out of the zip. That is no bundle; take one from a source " +
            "that you trust."
    ),
    ZIP_OF_SEVERAL("%1\$s: holds %2\$s bundles, expected one. Zip a single bundle."),

    // === Its files ===
    NO_BUNDLE_JSON(
        "bundle.json is missing: this is no bundle. Choose what “python -m tinybert_tf.export” " +
            "wrote, or a .zip of it."
    ),
    BUNDLE_JSON_TOO_LONG("bundle.json has more than %1\$s bytes: this is no bundle. Choose another one."),
    SCHEMA_TOO_NEW(
        "bundle.json has schema version %1\$s, this app reads up to %2\$s. Update the app."
    ),
    FILE_MISSING("%1\$s is missing, which bundle.json lists. Copy the whole bundle."),
    FILE_UNREADABLE("%1\$s cannot be read (%2\$s). Copy the bundle again."),
    FILE_TOO_SHORT(
        "%1\$s has %2\$s bytes, bundle.json says %3\$s. It was cut: copy the bundle again."
    ),
    FILE_TOO_LONG(
        "%1\$s has more than %2\$s bytes, which bundle.json says. It was altered: copy the bundle " +
            "again."
    ),
    FILE_ALTERED(
        "%1\$s is not the file that was exported: its hash differs. It was altered: copy the " +
            "bundle again."
    ),
    FILE_NOT_LISTED("bundle.json: files has no %1\$s. Export the bundle again."),
    FILE_UNKNOWN(
        "bundle.json: files names “%1\$s”, expected only %2\$s. Export the bundle again."
    ),
    NOT_UTF8("%1\$s, line %2\$s: byte 0x%3\$s is not UTF-8. Copy the bundle again."),
    NOT_JSON(
        "%1\$s is not valid JSON (%2\$s). It was cut or altered: copy the bundle again."
    ),

    // === Its fields ===
    FIELD_MISSING("%1\$s is missing, expected: %2\$s. Export the bundle again."),
    FIELD_WRONG("%1\$s is %2\$s, expected: %3\$s. Export the bundle again."),
    LABELS_MISSING(
        "bundle.json: labels is empty, the task is a classification. Export the bundle again."
    ),
    LABELS_UNEXPECTED(
        "bundle.json: labels is %1\$s, the task is no classification. Export the bundle again."
    ),
    LABELS_REPEATED(
        "bundle.json: labels is %1\$s, expected every label once. Export the bundle again."
    ),
    LABELS_DIFFER("labels.txt has the labels %1\$s, bundle.json has %2\$s. Export the bundle again."),

    // === Its vocabulary ===
    VOCABULARY_SIZE(
        "vocab.txt has %1\$s tokens, bundle.json says %2\$s. Export the bundle again with the " +
            "vocabulary of the model."
    ),
    TOKEN_EMPTY(
        "%1\$s, line %2\$s: is empty, expected one token a line. Export the bundle again."
    ),
    TOKEN_REPEATED(
        "%1\$s, line %2\$s: token “%3\$s” is already on line %4\$s, expected every token once. " +
            "Export the bundle again."
    ),
    TOKEN_MISSING("%1\$s: has no %2\$s. Take the vocabulary that belongs to the model."),
    ADDED_TOKEN_UNKNOWN(
        "bundle.json: the added token “%1\$s” is not in the vocabulary. Export the bundle again."
    ),
    ADDED_TOKEN_EMPTY(
        "bundle.json: the added token “%1\$s” is empty in a text. Export the bundle again."
    ),
    ADDED_TOKENS_OF_SPANS(
        "bundle.json: the tokenizer has added tokens (%1\$s), whose place in a text is not known, " +
            "so the model cannot answer questions. Export a model without them."
    ),

    // === Its model, and the runtime ===
    RUNTIME_TOO_OLD(
        "bundle.json: the models need %1\$s, this app has %2\$s. Update the app, or export with a " +
            "profile for older runtimes."
    ),
    RUNTIME_UNKNOWN(
        "The version %1\$s of a runtime cannot be compared, expected one such as 2.9.0. Update " +
            "the app, or export the bundle again."
    ),
    MODEL_TOO_LARGE(
        "%1\$s needs %2\$s MB of memory, more than there is. Choose a bundle with a smaller model."
    ),
    MODEL_SIGNATURES(
        "%1\$s has the signatures %2\$s, bundle.json says %3\$s. Export the bundle again."
    ),
    MODEL_OUTPUTS(
        "%1\$s has the outputs %2\$s, bundle.json says %3\$s. Export the bundle again."
    ),
    RUNTIME_MISSING(
        "TensorFlow Lite cannot be loaded (%1\$s). Install the app that was built for this " +
            "device’s processor."
    ),
    MODEL_REFUSED("TensorFlow Lite refuses the model: %1\$s. Choose another bundle."),
    RUN_FAILED("TensorFlow Lite failed to run the model: %1\$s. Choose another bundle."),
    NO_NUMBER("The model gave no number for this text. Choose another bundle."),
}

/** A [Problem] with what there is to say of it; the message is its English text. */
sealed class ProblemException(
    val problem: Problem,
    val arguments: List<Any?>,
    cause: Throwable?,
) : Exception(problem.text.format(*arguments.toTypedArray()), cause)

/** A bundle that cannot be used. */
class BundleException(problem: Problem, vararg arguments: Any?, cause: Throwable? = null) :
    ProblemException(problem, arguments.asList(), cause)

/** The inference runtime cannot load or run a model. */
class EngineException(problem: Problem, vararg arguments: Any?, cause: Throwable? = null) :
    ProblemException(problem, arguments.asList(), cause)
