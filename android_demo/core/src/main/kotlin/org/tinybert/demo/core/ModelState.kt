package org.tinybert.demo.core

/** What a view shows. */
sealed class ClassifierState {
    /** A bundle is being read, or none has been opened yet. */
    object Loading : ClassifierState()

    /** A bundle is open and there is no text to classify. */
    class Ready(val info: BundleInfo) : ClassifierState()

    /** The classification of the latest text. */
    class Result(
        val info: BundleInfo,
        val texts: List<String>,
        val classification: Classification,
        val latency: LatencySummary,
    ) : ClassifierState()

    /**
     * Something failed.
     *
     * @property info of the bundle that is open all the same, so that the next text is tried
     *   again; without one, another bundle must be opened first
     */
    class Error(val message: String, val info: BundleInfo?) : ClassifierState()
}

/** Times of the runs so far, in nanoseconds. */
class LatencySummary(val median: Long, val p90: Long, val count: Int)
