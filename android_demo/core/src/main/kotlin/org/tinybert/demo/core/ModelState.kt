package org.tinybert.demo.core

/** What a view shows. */
sealed class ModelState {
    /** A bundle is being read, or none has been opened yet. */
    object Loading : ModelState()

    /** A bundle is open and there is no text to run. */
    class Ready(val info: BundleInfo) : ModelState()

    /** What came of the latest texts. */
    class Result(
        val info: BundleInfo,
        val texts: List<String>,
        val outcome: Outcome,
        val latency: LatencySummary,
    ) : ModelState()

    /**
     * Something failed.
     *
     * @property failure a [ProblemException] where there is a text for users
     * @property info of the bundle that is open all the same, so that the next text is tried
     *   again; without one, another bundle must be opened first
     */
    class Error(val failure: Throwable, val info: BundleInfo?) : ModelState()
}

/** Times of the runs so far, in nanoseconds. */
class LatencySummary(val median: Long, val p90: Long, val count: Int)
