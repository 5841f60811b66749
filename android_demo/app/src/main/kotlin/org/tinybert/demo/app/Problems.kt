package org.tinybert.demo.app

import android.content.Context
import org.tinybert.demo.core.Problem
import org.tinybert.demo.core.ProblemException

/** Something that only the app knows of; its text is the resource [text]. */
class AppException(val text: Int, vararg val arguments: Any, cause: Throwable? = null) :
    Exception(cause)

/** What users read of a failure, in the language of the device. */
fun Context.describe(failure: Throwable): String = when (failure) {
    is ProblemException ->
        getString(textOf(failure.problem), *failure.arguments.toTypedArray())
    is AppException -> getString(failure.text, *failure.arguments)
    else -> failure.message ?: failure.javaClass.simpleName
}

/** The resource that has the text of a problem. */
fun textOf(problem: Problem): Int = when (problem) {
    Problem.NO_FOLDER -> R.string.problem_no_folder
    Problem.ZIP_UNREADABLE -> R.string.problem_zip_unreadable
    Problem.ZIP_LEADS_OUT -> R.string.problem_zip_leads_out
    Problem.ZIP_OF_SEVERAL -> R.string.problem_zip_of_several
    Problem.NO_BUNDLE_JSON -> R.string.problem_no_bundle_json
    Problem.BUNDLE_JSON_TOO_LONG -> R.string.problem_bundle_json_too_long
    Problem.SCHEMA_TOO_NEW -> R.string.problem_schema_too_new
    Problem.FILE_MISSING -> R.string.problem_file_missing
    Problem.FILE_UNREADABLE -> R.string.problem_file_unreadable
    Problem.FILE_TOO_SHORT -> R.string.problem_file_too_short
    Problem.FILE_TOO_LONG -> R.string.problem_file_too_long
    Problem.FILE_ALTERED -> R.string.problem_file_altered
    Problem.FILE_NOT_LISTED -> R.string.problem_file_not_listed
    Problem.FILE_UNKNOWN -> R.string.problem_file_unknown
    Problem.NOT_UTF8 -> R.string.problem_not_utf8
    Problem.NOT_JSON -> R.string.problem_not_json
    Problem.FIELD_MISSING -> R.string.problem_field_missing
    Problem.FIELD_WRONG -> R.string.problem_field_wrong
    Problem.LABELS_MISSING -> R.string.problem_labels_missing
    Problem.LABELS_UNEXPECTED -> R.string.problem_labels_unexpected
    Problem.LABELS_REPEATED -> R.string.problem_labels_repeated
    Problem.LABELS_DIFFER -> R.string.problem_labels_differ
    Problem.VOCABULARY_SIZE -> R.string.problem_vocabulary_size
    Problem.TOKEN_EMPTY -> R.string.problem_token_empty
    Problem.TOKEN_REPEATED -> R.string.problem_token_repeated
    Problem.TOKEN_MISSING -> R.string.problem_token_missing
    Problem.ADDED_TOKEN_UNKNOWN -> R.string.problem_added_token_unknown
    Problem.ADDED_TOKEN_EMPTY -> R.string.problem_added_token_empty
    Problem.ADDED_TOKENS_OF_SPANS -> R.string.problem_added_tokens_of_spans
    Problem.RUNTIME_TOO_OLD -> R.string.problem_runtime_too_old
    Problem.RUNTIME_UNKNOWN -> R.string.problem_runtime_unknown
    Problem.MODEL_TOO_LARGE -> R.string.problem_model_too_large
    Problem.MODEL_SIGNATURES -> R.string.problem_model_signatures
    Problem.MODEL_OUTPUTS -> R.string.problem_model_outputs
    Problem.RUNTIME_MISSING -> R.string.problem_runtime_missing
    Problem.MODEL_REFUSED -> R.string.problem_model_refused
    Problem.RUN_FAILED -> R.string.problem_run_failed
    Problem.NO_NUMBER -> R.string.problem_no_number
}
