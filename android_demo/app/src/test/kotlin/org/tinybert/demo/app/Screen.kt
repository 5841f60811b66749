package org.tinybert.demo.app

import android.app.Activity
import android.content.Intent
import android.os.Looper
import android.view.View
import android.view.ViewGroup
import android.widget.EditText
import android.widget.TextView
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController

/** The main activity as a user sees it. */
class Screen(val controller: ActivityController<MainActivity>) {
    val activity: MainActivity get() = controller.get()

    fun type(text: String, box: Int = R.id.text) = find<EditText>(box).setText(text)

    fun text(id: Int): String = find<TextView>(id).text.toString()

    /** The parts of the first box that are marked as answers. */
    fun marked(): List<String> {
        val text = find<EditText>(R.id.text).text
        return text.getSpans(0, text.length, AnswerMark::class.java).map {
            text.substring(text.getSpanStart(it), text.getSpanEnd(it))
        }
    }

    fun isShown(id: Int): Boolean = activity.findViewById<View>(id)?.isShown == true

    fun <T : View> find(id: Int): T = activity.findViewById(id)

    /** Lets the app work until [condition] holds; fails if it does not for ten seconds. */
    fun waitFor(what: String, condition: () -> Boolean) {
        val end = System.nanoTime() + 10_000_000_000
        while (true) {
            shadowOf(Looper.getMainLooper()).idle()
            if (condition()) return
            check(System.nanoTime() < end) {
                "Waited in vain for $what; the screen says ${texts()}."
            }
            Thread.sleep(5)
        }
    }

    /** All texts on the screen. */
    fun texts(): List<String> =
        activity.contentView.tree().filterIsInstance<TextView>().filter { it.isShown }
            .map { it.text.toString() }.toList()

    fun waitForResult() = waitFor("a result") { isShown(R.id.headline) }

    companion object {
        fun start(intent: Intent = Intent(Intent.ACTION_MAIN)): Screen {
            val controller = Robolectric.buildActivity(MainActivity::class.java, intent).setup()
            return Screen(controller)
        }
    }
}

/** Every view of a tree, the root first. */
fun View.tree(): Sequence<View> = sequence {
    yield(this@tree)
    if (this@tree is ViewGroup) {
        for (index in 0 until childCount) yieldAll(getChildAt(index).tree())
    }
}

/** The root of an activity's own views. */
val Activity.contentView: View get() = findViewById(android.R.id.content)
