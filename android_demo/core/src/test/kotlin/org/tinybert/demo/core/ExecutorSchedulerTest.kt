package org.tinybert.demo.core

import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Real threads: what the other tests do with time that stands still. */
class ExecutorSchedulerTest {
    private val executor = Executors.newSingleThreadScheduledExecutor()
    private val mainThread = Executors.newSingleThreadExecutor()
    private val scheduler = ExecutorScheduler(executor)

    @AfterEach
    fun shutDown() {
        executor.shutdownNow()
        mainThread.shutdownNow()
    }

    @Test
    fun `tasks of the same delay run in order, cancelled ones never`() {
        val ran = LinkedBlockingQueue<Int>()
        val isStarted = CountDownLatch(1)
        scheduler.schedule(0) { isStarted.await() }
        val tasks = List(100) { i -> scheduler.schedule(0) { ran += i } }
        tasks.filterIndexed { i, _ -> i % 2 == 1 }.forEach { it.cancel() }
        isStarted.countDown()
        assertEquals(List(50) { 2 * it }, List(50) { ran.poll(10, TimeUnit.SECONDS) })
        executor.shutdown()
        assertTrue(executor.awaitTermination(10, TimeUnit.SECONDS))
        assertTrue(ran.isEmpty())
    }

    @Test
    fun `a presenter on two threads shows the last text, after fewer runs than texts`() {
        val factory = FakeFactory {
            Thread.sleep(2)
            probabilities(0.25f, 0.75f)
        }
        val presenter = ModelPresenter(factory, scheduler, mainThread)
        val shown = LinkedBlockingQueue<String>()
        mainThread.execute {
            presenter.attach { if (it is ModelState.Result) shown += it.texts[0] }
            presenter.open { TestBundle().seal() }
        }
        repeat(300) { i ->
            mainThread.execute { presenter.onText("good $i") }
            Thread.sleep(1)
        }
        val texts = ArrayList<String>()
        while ("good 299" !in texts) {
            texts += checkNotNull(shown.poll(10, TimeUnit.SECONDS)) { "shown: $texts" }
        }
        assertEquals("good 299", texts.last())
        assertTrue(texts.size < 100, "${texts.size} results")
        mainThread.execute { presenter.close() }
        mainThread.shutdown()
        assertTrue(mainThread.awaitTermination(10, TimeUnit.SECONDS))
        executor.shutdown()
        assertTrue(executor.awaitTermination(10, TimeUnit.SECONDS))
        assertTrue(factory.engines.single().isClosed)
    }
}
