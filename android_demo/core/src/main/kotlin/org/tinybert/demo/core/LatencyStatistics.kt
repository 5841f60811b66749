package org.tinybert.demo.core

/** The times of the latest runs, in nanoseconds; the oldest leave first. */
class LatencyStatistics {
    private val times = LongArray(WINDOW)
    private var added = 0L

    /** How many runs the statistics are of, at most [WINDOW]. */
    val count: Int
        get() = minOf(added, WINDOW.toLong()).toInt()

    /** The median; of an even number of runs the mean of the middle two. */
    val median: Long
        get() {
            val sorted = sorted()
            return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
        }

    /** The least time that nine of ten runs do not exceed. */
    val p90: Long
        get() = sorted()[(9 * count + 9) / 10 - 1]

    /** Adds the time of a run. */
    fun add(nanoseconds: Long) {
        times[(added++ % WINDOW).toInt()] = nanoseconds
    }

    /** Forgets all runs: what follows is of another model or other settings. */
    fun clear() {
        added = 0
    }

    private fun sorted(): LongArray {
        check(count > 0) { "There are no times yet." }
        return times.copyOf(count).apply { sort() }
    }

    companion object {
        const val WINDOW = 100
    }
}
