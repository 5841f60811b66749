package org.tinybert.demo.core

/**
 * The version of an inference runtime: of TensorFlow Lite, or of LiteRT, which took its place and
 * counts anew from 1.0. Any LiteRT is newer than any TensorFlow Lite.
 *
 * `TensorFlowLite.runtimeVersion()` gives the numbers alone. The app runs signatures, which
 * TensorFlow Lite has had since 2.5, so 1.x and 2.0 to 2.4 are LiteRT's.
 */
class RuntimeVersion private constructor(val isLiteRt: Boolean, private val numbers: List<Int>) :
    Comparable<RuntimeVersion> {
    override fun compareTo(other: RuntimeVersion): Int {
        if (isLiteRt != other.isLiteRt) return isLiteRt.compareTo(other.isLiteRt)
        return numbers.zip(other.numbers, Int::compareTo).firstOrNull { it != 0 } ?: 0
    }

    /** For users, such as `"LiteRT 1.4.2"`. */
    override fun toString(): String =
        (if (isLiteRt) "LiteRT " else "TensorFlow Lite ") + numbers.joinToString(".")

    companion object {
        private const val FIRST_TENSORFLOW_LITE_MINOR = 5

        /** What a runtime says of itself. @throws BundleException if these are no three numbers */
        fun of(runtime: String): RuntimeVersion {
            val numbers = numbers(runtime)
            val (major, minor) = numbers
            val isLiteRt = major == 1 || (major == 2 && minor < FIRST_TENSORFLOW_LITE_MINOR)
            return RuntimeVersion(isLiteRt, numbers)
        }

        /** @throws BundleException if these are no three numbers */
        fun tensorFlowLite(version: String) = RuntimeVersion(false, numbers(version))

        /** @throws BundleException if these are no three numbers */
        fun liteRt(version: String) = RuntimeVersion(true, numbers(version))

        private fun numbers(version: String): List<Int> {
            val numbers = version.split('.', '-', '+').take(3).map { it.toIntOrNull() }
            if (numbers.size < 3 || null in numbers) {
                throw BundleException(Problem.RUNTIME_UNKNOWN, version)
            }
            return numbers.filterNotNull()
        }
    }
}
