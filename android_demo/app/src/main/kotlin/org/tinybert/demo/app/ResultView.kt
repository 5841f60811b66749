package org.tinybert.demo.app

import android.view.LayoutInflater
import android.view.View
import android.widget.LinearLayout
import android.widget.ProgressBar
import android.widget.Switch
import android.widget.TextView
import kotlin.math.roundToInt
import org.tinybert.demo.core.Answer
import org.tinybert.demo.core.Answers
import org.tinybert.demo.core.BundleInfo
import org.tinybert.demo.core.Classification
import org.tinybert.demo.core.LabelScore
import org.tinybert.demo.core.ModelState
import org.tinybert.demo.core.Outcome
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

    fun show(state: ModelState.Result) {
        when (val outcome = state.outcome) {
            is Classification -> showScores(outcome, state.info.labels.isNotEmpty())
            is Answers -> showAnswers(outcome)
        }
        showLatency(state)
        showSlowRuntime(state.info)
        showTokens(state.outcome)
        root.setShown(true)
    }

    private fun showScores(classification: Classification, hasClasses: Boolean) {
        val scores = classification.scores
        val best = scores.maxBy { it.score }
        set(R.id.headline, if (hasClasses) headline(best) else format.number(best.score))
        // A regression's score has no bounds that a bar could show.
        classes = if (hasClasses) scores else emptyList()
        showBars()
        setOrHide(R.id.next_answers, null)
        setOrHide(R.id.windows, null)
        val count = classification.tokens.size
        val truncated = context.resources.getQuantityString(R.plurals.truncated, count, count)
        setOrHide(R.id.truncated, truncated.takeIf { classification.isTruncated })
    }

    private fun showAnswers(answers: Answers) {
        val best = answers.answer
        set(R.id.headline, best?.let { quoted(it) } ?: context.getString(R.string.no_answer))
        val others = answers.answers.filter { it != best }.take(NEXT_ANSWERS)
        val next = context.getString(R.string.next_answers, others.joinToString { quoted(it) })
        setOrHide(R.id.next_answers, next.takeIf { others.isNotEmpty() })
        classes = emptyList()
        showBars()
        val count = answers.windowCount
        val windows = context.resources.getQuantityString(R.plurals.windows, count, count)
        setOrHide(R.id.windows, windows.takeIf { count > 1 })
        val cut = context.getString(R.string.question_cut)
        setOrHide(R.id.truncated, cut.takeIf { answers.isTruncated })
    }

    private fun quoted(answer: Answer) = context.getString(R.string.answer, answer.text)

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

    private fun showLatency(state: ModelState.Result) {
        set(R.id.last_run_value, milliseconds(state.outcome.nanoseconds))
        set(R.id.median_value, milliseconds(state.latency.median))
        set(R.id.p90_value, milliseconds(state.latency.p90))
    }

    private fun showSlowRuntime(info: BundleInfo) {
        val present = RuntimeVersion.of(runtimeVersion())
        val fast = info.fastRuntime
        val hint = context.getString(R.string.slow_runtime, "$present", "$fast")
        setOrHide(R.id.slow_runtime, hint.takeIf { fast != null && present < fast })
    }

    private fun showTokens(outcome: Outcome) {
        set(
            R.id.tokens_used_value,
            context.getString(R.string.tokens_of, outcome.tokens.size, outcome.signatureLength),
        )
        tokens.text = outcome.tokens.joinToString("  ")
    }

    private fun headline(label: LabelScore) =
        context.getString(R.string.headline, label.label, format.share(label.score))

    private fun milliseconds(nanoseconds: Long) =
        context.getString(R.string.milliseconds, format.milliseconds(nanoseconds))

    private fun set(id: Int, text: String) {
        root.findViewById<TextView>(id).text = text
    }

    private fun setOrHide(id: Int, text: String?) {
        set(id, text.orEmpty())
        root.findViewById<View>(id).setShown(text != null)
    }

    private companion object {
        /** More than one glance takes in. */
        const val NEXT_ANSWERS = 2

        /** More would push the rest of the result off the screen. */
        const val MOST_BARS = 5
    }
}
