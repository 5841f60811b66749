package org.tinybert.demo.app

import android.view.LayoutInflater
import android.view.View
import android.widget.LinearLayout
import android.widget.ProgressBar
import android.widget.Switch
import android.widget.TextView
import kotlin.math.roundToInt
import org.tinybert.demo.core.BundleInfo
import org.tinybert.demo.core.Classification
import org.tinybert.demo.core.ClassifierState
import org.tinybert.demo.core.LabelScore
import org.tinybert.demo.core.RuntimeVersion

/**
 * The outcome of a run, in the views of `result.xml`: bars, latency, tokens.
 *
 * @param runtimeVersion of the runtime in the app
 */
class ResultView(private val root: View, private val runtimeVersion: () -> String) {
    private val context = root.context
    private val allClasses: Switch = root.findViewById(R.id.all_classes)
    private val bars: LinearLayout = root.findViewById(R.id.bars)
    private val tokens: TextView = root.findViewById(R.id.tokens)
    private val format = Formats()

    /** Of the classes that are shown, in the order of the outputs. */
    private var classes = emptyList<LabelScore>()

    init {
        allClasses.setOnCheckedChangeListener { _, _ -> showBars() }
        root.findViewById<Switch>(R.id.show_tokens).setOnCheckedChangeListener { _, isChecked ->
            tokens.setShown(isChecked)
        }
    }

    fun hide() = root.setShown(false)

    fun show(state: ClassifierState.Result) {
        val isClassification = state.info.labels.isNotEmpty()
        val scores = state.classification.scores
        val best = scores.maxBy { it.score }
        set(R.id.headline, if (isClassification) headline(best) else format.number(best.score))
        // A regression's score has no bounds that a bar could show.
        classes = if (isClassification) scores else emptyList()
        showBars()
        showLatency(state)
        showSlowRuntime(state.info)
        showTokens(state.classification)
        root.setShown(true)
    }

    /** The bars of the likeliest classes first, if there are many. */
    private fun showBars() {
        val isMany = classes.size > MOST_BARS
        allClasses.setShown(isMany)
        allClasses.text =
            context.resources.getQuantityString(R.plurals.all_classes, classes.size, classes.size)
        val ranked = if (isMany) classes.sortedByDescending { it.score } else classes
        val shown = if (isMany && !allClasses.isChecked) ranked.take(MOST_BARS) else ranked
        val inflater = LayoutInflater.from(context)
        while (bars.childCount < shown.size) inflater.inflate(R.layout.label_row, bars)
        while (bars.childCount > shown.size) bars.removeViewAt(bars.childCount - 1)
        shown.forEachIndexed { index, label -> showBar(bars.getChildAt(index), label) }
    }

    private fun showBar(row: View, label: LabelScore) {
        row.contentDescription = headline(label)
        row.findViewById<TextView>(R.id.label).text = label.label
        row.findViewById<TextView>(R.id.score).text = format.share(label.score)
        val bar: ProgressBar = row.findViewById(R.id.bar)
        bar.setProgress((label.score * bar.max).roundToInt(), true)
    }

    private fun showLatency(state: ClassifierState.Result) {
        set(R.id.last_run_value, milliseconds(state.classification.nanoseconds))
        set(R.id.median_value, milliseconds(state.latency.median))
        set(R.id.p90_value, milliseconds(state.latency.p90))
    }

    private fun showSlowRuntime(info: BundleInfo) {
        val present = RuntimeVersion.of(runtimeVersion())
        val fast = info.fastRuntime
        val isSlow = fast != null && present < fast
        root.findViewById<View>(R.id.slow_runtime).setShown(isSlow)
        if (isSlow) {
            set(R.id.slow_runtime, context.getString(R.string.slow_runtime, "$present", "$fast"))
        }
    }

    private fun showTokens(classification: Classification) {
        val count = classification.tokens.size
        set(
            R.id.tokens_used_value,
            context.getString(R.string.tokens_of, count, classification.signatureLength),
        )
        set(
            R.id.truncated,
            context.resources.getQuantityString(R.plurals.truncated, count, count),
        )
        root.findViewById<View>(R.id.truncated).setShown(classification.isTruncated)
        tokens.text = classification.tokens.joinToString("  ")
    }

    private fun headline(label: LabelScore) =
        context.getString(R.string.headline, label.label, format.share(label.score))

    private fun milliseconds(nanoseconds: Long) =
        context.getString(R.string.milliseconds, format.milliseconds(nanoseconds))

    private fun set(id: Int, text: String) {
        root.findViewById<TextView>(id).text = text
    }

    private companion object {
        /** More would push the rest of the result off the screen. */
        const val MOST_BARS = 5
    }
}
