package org.tinybert.demo.core

import java.util.concurrent.ScheduledExecutorService
import java.util.concurrent.TimeUnit

/** Runs tasks one after the other on one thread of its own. */
interface Scheduler {
    /** Runs a task after a delay; tasks of the same delay run in the order they came in. */
    fun schedule(delayMilliseconds: Long, task: () -> Unit): Cancellation
}

/** Keeps a scheduled task from running if it has not begun. */
interface Cancellation {
    fun cancel()
}

/** A [Scheduler] over `Executors.newSingleThreadScheduledExecutor()`, which the caller owns. */
class ExecutorScheduler(private val executor: ScheduledExecutorService) : Scheduler {
    override fun schedule(delayMilliseconds: Long, task: () -> Unit): Cancellation {
        val future = executor.schedule(Runnable(task), delayMilliseconds, TimeUnit.MILLISECONDS)
        return object : Cancellation {
            override fun cancel() {
                future.cancel(false)
            }
        }
    }
}
