package org.tinybert.demo.app

import android.content.Context
import android.text.format.Formatter
import org.tinybert.demo.core.BundleInfo
import org.tinybert.demo.core.FileInfo
import org.tinybert.demo.core.RuntimeVersion
import org.tinybert.demo.core.TokenizerInfo

/** A line of the page about a model. */
class Fact(val name: String, val value: String)

/** What bundle.json says, for people; [runtimeVersion] is of the runtime in the app. */
fun bundleFacts(context: Context, info: BundleInfo, runtimeVersion: String): List<Fact> {
    val format = Formats()
    fun fact(name: Int, value: String) = Fact(context.getString(name), value)
    fun metrics(values: Map<String, Double>) =
        values.entries.joinToString { (name, value) -> "$name ${format.number(value)}" }

    val accuracy = info.accuracy
    val tokenizer = info.tokenizer
    val quantization = info.quantization
    val difference = context.getString(
        R.string.about_difference_value,
        format.number(accuracy.maxDifference),
        format.number(accuracy.meanDifference),
    )
    val agreement = accuracy.labelAgreement?.let {
        context.getString(R.string.about_agreement, format.share(it))
    }
    return listOf(
        fact(R.string.about_name, info.name),
        fact(R.string.about_description, info.description),
        fact(R.string.about_version, info.version),
        fact(R.string.about_author, info.author),
        fact(R.string.about_license, info.license),
        fact(R.string.about_task, info.task.name),
        fact(R.string.about_labels, info.labels.joinToString()),
        fact(
            R.string.about_accuracy,
            context.resources.getQuantityString(
                R.plurals.about_accuracy_value,
                accuracy.examples,
                metrics(accuracy.model),
                accuracy.examples,
                accuracy.split,
            ),
        ),
        fact(R.string.about_keras, metrics(accuracy.keras)),
        fact(R.string.about_difference, listOfNotNull(difference, agreement).joinToString()),
        fact(
            R.string.about_quantization,
            context.getString(
                R.string.about_quantization_value,
                quantization.profile,
                quantization.weights,
                quantization.embedding,
                quantization.activations,
            ),
        ),
        fact(R.string.about_tokenizer, tokenizerLine(context, tokenizer)),
        fact(R.string.about_runtime, runtimeLine(context, info, RuntimeVersion.of(runtimeVersion))),
        fact(
            R.string.about_files,
            info.files.entries.joinToString("\n") { (name, file) -> fileLine(context, name, file) },
        ),
    ).filter { it.value.isNotEmpty() }
}

/** Size and case; the other settings where they are not BERT's own. */
private fun tokenizerLine(context: Context, tokenizer: TokenizerInfo): String {
    val size = context.resources.getQuantityString(
        R.plurals.about_tokenizer_value,
        tokenizer.vocabularySize,
        tokenizer.vocabularySize,
    )
    val case = if (tokenizer.lowercase) R.string.about_lowercase else R.string.about_cased
    val accents = when (tokenizer.stripAccents) {
        tokenizer.lowercase -> null
        true -> R.string.about_accents_dropped
        false -> R.string.about_accents_kept
    }
    val chinese =
        if (tokenizer.tokenizeChineseCharacters) null else R.string.about_chinese_words_kept
    val settings = listOfNotNull(case, accents, chinese).map { context.getString(it) }
    val added = tokenizer.addedTokens.map { it.content }
    val addedTokens =
        if (added.isEmpty()) null
        else context.getString(R.string.about_added_tokens, added.joinToString(" "))
    return (listOf(size) + settings + listOfNotNull(addedTokens)).joinToString()
}

private fun runtimeLine(context: Context, info: BundleInfo, present: RuntimeVersion): String {
    val needed = context.getString(R.string.about_runtime_value, "$present", info.minimumRuntime)
    val fast = info.fastRuntime ?: return needed
    return needed + context.getString(R.string.about_fast_runtime, "$fast")
}

private fun fileLine(context: Context, name: String, file: FileInfo): String {
    val line = context.getString(
        R.string.about_file_value,
        name,
        Formatter.formatShortFileSize(context, file.bytes),
        file.sha256.take(8),
    )
    if (file.signatures.isEmpty()) return line
    val lengths = file.signatures.values.sorted().joinToString()
    return line + context.getString(R.string.about_lengths, lengths)
}
