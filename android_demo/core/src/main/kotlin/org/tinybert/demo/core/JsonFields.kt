package org.tinybert.demo.core

import org.json.JSONArray
import org.json.JSONException
import org.json.JSONObject

/**
 * The fields of a JSON object, each of the type that it must have.
 *
 * `JSONObject`'s own getters convert on Android where they refuse on the JVM.
 *
 * @param path of the object in the file, such as `"bundle.json: task."`, to begin messages with
 */
internal class JsonFields
private constructor(private val json: JSONObject, private val path: String) {
    /** The names of the fields, in no order. */
    val names: List<String>
        get() = json.keys().asSequence().toList()

    operator fun contains(name: String): Boolean = json.has(name)

    fun text(name: String): String = field(name, "string")

    fun boolean(name: String): Boolean = field(name, "true | false")

    fun number(name: String): Double = field<Number>(name, "number").toDouble()

    fun numberOrNull(name: String): Double? =
        if (json.isNull(name) && name in this) null else number(name)

    fun integer(name: String, minimum: Long, maximum: Long = Int.MAX_VALUE.toLong()): Long {
        val value: Number = field(name, "integer")
        if ((value !is Int && value !is Long) || value.toLong() !in minimum..maximum) {
            throw wrong(name, value, "integer $minimum..$maximum")
        }
        return value.toLong()
    }

    fun fields(name: String): JsonFields = JsonFields(field(name, "object"), "$path$name.")

    fun texts(name: String): List<String> = items(name, "string")

    fun integers(name: String): IntArray = items<Int>(name, "integer").toIntArray()

    fun floats(name: String): FloatArray =
        items<Number>(name, "number").map { it.toFloat() }.toFloatArray()

    fun objects(name: String): List<JsonFields> =
        items<JSONObject>(name, "object").mapIndexed { i, item ->
            JsonFields(item, "$path$name[$i].")
        }

    /**
     * Of a value that is of the right type and wrong all the same.
     *
     * @param expected in a notation of no language, such as `"integer 1..2"`
     */
    fun wrong(name: String, value: Any?, expected: String) =
        BundleException(Problem.FIELD_WRONG, "$path$name", quoted(value), expected)

    private inline fun <reified T> field(name: String, expected: String): T {
        if (!json.has(name)) {
            throw BundleException(Problem.FIELD_MISSING, "$path$name", expected)
        }
        val value = json.get(name)
        return value as? T ?: throw wrong(name, value, expected)
    }

    private inline fun <reified T> items(name: String, expected: String): List<T> {
        val array: JSONArray = field(name, "[$expected, ...]")
        return List(array.length()) { i ->
            array.get(i) as? T ?: throw wrong("$name[$i]", array.get(i), expected)
        }
    }

    private fun quoted(value: Any?): String {
        val text = value.toString().take(MAX_QUOTED)
        return if (value is String) "\"$text\"" else text
    }

    companion object {
        private const val MAX_QUOTED = 80

        /** Parses a whole file. @throws BundleException if it is no JSON object */
        fun parse(text: String, fileName: String): JsonFields {
            val json =
                try {
                    JSONObject(text)
                } catch (failure: JSONException) {
                    throw notJson(fileName, failure)
                } catch (failure: StackOverflowError) {
                    // Android's parser follows any depth of nesting.
                    throw notJson(fileName, failure)
                }
            return JsonFields(json, "$fileName: ")
        }

        private fun notJson(fileName: String, failure: Throwable) =
            BundleException(
                Problem.NOT_JSON,
                fileName,
                failure.message ?: failure.javaClass.simpleName,
                cause = failure,
            )
    }
}
