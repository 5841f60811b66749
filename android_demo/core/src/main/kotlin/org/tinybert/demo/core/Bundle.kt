package org.tinybert.demo.core

import java.io.File
import java.io.IOException
import java.io.InputStream
import java.math.BigInteger
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest

internal const val BUNDLE_JSON = "bundle.json"

/**
 * A model with everything that is needed to run it: the vocabulary, the labels, and what
 * bundle.json says of them, as `python -m tinybert_tf.export` wrote it.
 *
 * A bundle that could be read is whole: every file is there, has the size and the hash that
 * bundle.json gives, and the files agree with each other. Where the source knows that it was found
 * whole before, the hashes of the models are not computed again.
 */
class Bundle
private constructor(
    val info: BundleInfo,
    val vocabulary: Vocabulary,
    private val source: BundleSource,
) {
    /**
     * The model to run: the one of several lengths if there is one, as it is faster on short texts.
     */
    val preferredModel: String
        get() = models.first()

    /** The names of the models, [preferredModel] first. */
    val models: List<String>
        get() = listOf(MULTI_LENGTH_MODEL, MODEL).filter { it in info.files }

    /**
     * Maps a model into memory, or copies it where it cannot be mapped: a direct buffer in native
     * byte order.
     *
     * @param name one of [models]
     * @throws BundleException if the file cannot be read, or there is not enough memory
     */
    fun model(name: String = preferredModel): ByteBuffer {
        val file = info.files.getValue(name)
        val mapped =
            try {
                source.map(name)
            } catch (failure: IOException) {
                throw unreadable(name, failure)
            }
        if (mapped == null) return copied(name, file)
        if (mapped.remaining().toLong() != file.bytes) throw altered(name)
        return mapped
    }

    private fun copied(name: String, file: FileInfo): ByteBuffer {
        val buffer =
            try {
                ByteBuffer.allocateDirect(file.bytes.toInt()).order(ByteOrder.nativeOrder())
            } catch (failure: OutOfMemoryError) {
                val megabytes = file.bytes / 1_000_000
                throw BundleException(Problem.MODEL_TOO_LARGE, name, megabytes, cause = failure)
            }
        source.readChecked(name, file) { bytes, count -> buffer.put(bytes, 0, count) }
        buffer.rewind()
        return buffer
    }

    /**
     * Writes the files of the bundle into a folder, where its models can be mapped.
     *
     * @throws BundleException if a file cannot be read or has changed since the bundle was read
     * @throws IOException if the folder cannot be written
     */
    fun copyTo(folder: File) {
        File(folder, BUNDLE_JSON).outputStream().use { output ->
            source.reading(BUNDLE_JSON) { it.copyTo(output) }
        }
        for ((name, file) in info.files) {
            File(folder, name).outputStream().use { output ->
                source.readChecked(name, file) { bytes, count -> output.write(bytes, 0, count) }
            }
        }
    }

    /**
     * The examples that the exporter ran; of a bundle for questions see [goldenQuestions].
     *
     * @throws BundleException if golden.json cannot be used
     */
    fun golden(): List<GoldenExample> = goldenFile().examples()

    /**
     * The questions that the exporter ran.
     *
     * @throws BundleException if golden.json cannot be used
     */
    fun goldenQuestions(): List<GoldenQuestion> = goldenFile().questions()

    private fun goldenFile() =
        GoldenFile(source.readText(GOLDEN, info.files.getValue(GOLDEN)), GOLDEN, this)

    companion object {
        private const val SCHEMA_VERSION = 2L
        private const val VOCABULARY = "vocab.txt"
        private const val LABELS = "labels.txt"
        private const val GOLDEN = "golden.json"
        private const val MAX_BUNDLE_JSON_BYTES = 1 shl 20

        /**
         * Reads and checks a bundle.
         *
         * @param runtimeVersion of the inference runtime that will run it, see [EngineFactory]
         * @throws BundleException if it cannot be used: newer than this reader, in need of a newer
         *   runtime, incomplete, altered, or contradicting itself
         */
        fun read(source: BundleSource, runtimeVersion: String): Bundle {
            val info = readInfo(source)
            checkRuntime(info.minimumRuntime, runtimeVersion)
            if (!source.isKnownWhole(info.sha256)) {
                for ((name, file) in info.files) source.readChecked(name, file) { _, _ -> }
                source.rememberWhole(info.sha256)
            }
            checkLabels(source, info)
            return Bundle(info, readVocabulary(source, info), source)
        }

        private fun readInfo(source: BundleSource): BundleInfo {
            val bytes =
                source.reading(BUNDLE_JSON) { readAtMost(it, MAX_BUNDLE_JSON_BYTES) }
                    ?: throw BundleException(Problem.NO_BUNDLE_JSON)
            if (bytes.size > MAX_BUNDLE_JSON_BYTES) {
                throw BundleException(Problem.BUNDLE_JSON_TOO_LONG, MAX_BUNDLE_JSON_BYTES)
            }
            val json = JsonFields.parse(decodeUtf8(bytes, BUNDLE_JSON), BUNDLE_JSON)
            val version = json.integer("schema_version", minimum = 1)
            if (version > SCHEMA_VERSION) {
                throw BundleException(Problem.SCHEMA_TOO_NEW, version, SCHEMA_VERSION)
            }
            checkOwnHash(bytes, json.text("sha256"))
            return bundleInfo(json)
        }

        /** The hash is of the bytes with zeros in its own place. */
        private fun checkOwnHash(bytes: ByteArray, expected: String) {
            if (!SHA256.matches(expected)) throw altered(BUNDLE_JSON)
            // One character a byte, so that all others stay as they are.
            val text = String(bytes, Charsets.ISO_8859_1)
            val hashed = text.replace(expected, "0".repeat(expected.length))
            val digest = MessageDigest.getInstance("SHA-256")
            digest.update(hashed.toByteArray(Charsets.ISO_8859_1))
            if (hex(digest) != expected) throw altered(BUNDLE_JSON)
        }

        private fun checkRuntime(minimum: String, actual: String) {
            val needed = RuntimeVersion.tensorFlowLite(minimum)
            val present = RuntimeVersion.of(actual)
            if (present < needed) {
                throw BundleException(Problem.RUNTIME_TOO_OLD, needed, present)
            }
        }

        private fun checkLabels(source: BundleSource, info: BundleInfo) {
            val file = info.files[LABELS] ?: return
            val labels =
                source.readText(LABELS, file).removeSuffix("\n").split("\n").map {
                    it.removeSuffix("\r")
                }
            if (labels != info.labels) {
                throw BundleException(Problem.LABELS_DIFFER, labels, info.labels)
            }
        }

        private fun readVocabulary(source: BundleSource, info: BundleInfo): Vocabulary {
            val bytes = source.readBytes(VOCABULARY, info.files.getValue(VOCABULARY))
            val vocabulary = Vocabulary.read(bytes, VOCABULARY)
            val expected = info.tokenizer.vocabularySize
            if (vocabulary.size != expected) {
                throw BundleException(Problem.VOCABULARY_SIZE, vocabulary.size, expected)
            }
            return vocabulary
        }
    }
}

private fun BundleSource.readText(name: String, file: FileInfo): String =
    decodeUtf8(readBytes(name, file), name)

private fun BundleSource.readBytes(name: String, file: FileInfo): ByteArray {
    val bytes = ByteArray(file.bytes.toInt())
    var end = 0
    readChecked(name, file) { chunk, count ->
        chunk.copyInto(bytes, end, 0, count)
        end += count
    }
    return bytes
}

/** Reads a file in chunks, of which [take] gets the bytes and how many; checks size and hash. */
private fun BundleSource.readChecked(name: String, file: FileInfo, take: (ByteArray, Int) -> Unit) {
    val digest = MessageDigest.getInstance("SHA-256")
    val bytes =
        reading(name) { stream ->
            val chunk = ByteArray(CHUNK_BYTES)
            var total = 0L
            while (true) {
                val count = stream.read(chunk)
                if (count < 0) break
                total += count
                if (total > file.bytes) break
                digest.update(chunk, 0, count)
                take(chunk, count)
            }
            total
        }
            ?: throw BundleException(Problem.FILE_MISSING, name)
    if (bytes < file.bytes) {
        throw BundleException(Problem.FILE_TOO_SHORT, name, bytes, file.bytes)
    }
    if (bytes > file.bytes) throw BundleException(Problem.FILE_TOO_LONG, name, file.bytes)
    if (hex(digest) != file.sha256) throw altered(name)
}

/** Runs [read] on an open file; returns null if there is none. */
private fun <T> BundleSource.reading(name: String, read: (InputStream) -> T): T? =
    try {
        if (name in names()) open(name).use(read) else null
    } catch (failure: IOException) {
        throw unreadable(name, failure)
    }

/** Reads a stream to its end, or to one byte more than [limit]. */
private fun readAtMost(stream: InputStream, limit: Int): ByteArray {
    val bytes = ByteArray(limit + 1)
    var end = 0
    while (end < bytes.size) {
        val count = stream.read(bytes, end, bytes.size - end)
        if (count < 0) break
        end += count
    }
    return bytes.copyOf(end)
}

private fun unreadable(name: String, failure: IOException) =
    BundleException(Problem.FILE_UNREADABLE, name, failure.message, cause = failure)

private fun altered(name: String) = BundleException(Problem.FILE_ALTERED, name)

private fun hex(digest: MessageDigest): String =
    BigInteger(1, digest.digest()).toString(16).padStart(64, '0')

private const val CHUNK_BYTES = 1 shl 16
