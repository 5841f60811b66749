package org.tinybert.demo.app

import android.text.InputFilter
import android.text.Spanned
import android.text.TextPaint
import android.text.style.CharacterStyle
import android.text.style.UpdateAppearance
import android.view.View
import android.widget.EditText
import android.widget.TextView
import org.tinybert.demo.core.Answer
import org.tinybert.demo.core.Answers
import org.tinybert.demo.core.BundleInfo
import org.tinybert.demo.core.ModelState
import org.tinybert.demo.core.TaskType

/**
 * The views of the main screen: shows states, reports what the user does, decides nothing.
 *
 * @param root holds the views of `activity_main.xml`
 * @param hasBuiltIn whether there is a built-in model to offer
 * @param runtimeVersion of the runtime in the app
 */
class MainScreen(
    private val root: View,
    hasBuiltIn: Boolean,
    runtimeVersion: () -> String,
) {
    /** Called with both texts when one has changed. */
    var onText: (String, String) -> Unit = { _, _ -> }
    var onOpen: () -> Unit = {}
    var onBuiltIn: () -> Unit = {}

    private val loading: View = root.findViewById(R.id.loading)
    private val failure: View = root.findViewById(R.id.failure)
    private val content: View = root.findViewById(R.id.content)
    private val modelLine: TextView = root.findViewById(R.id.model_line)
    private val textBox: EditText = root.findViewById(R.id.text)
    private val secondBox: EditText = root.findViewById(R.id.second_text)
    private val notice: TextView = root.findViewById(R.id.notice)
    private val result = ResultView(root.findViewById(R.id.result), runtimeVersion)

    /** What is in the first box. */
    val text: String get() = textBox.text.toString()

    init {
        for (box in listOf(textBox, secondBox)) {
            box.filters = arrayOf(LimitFilter(::showTextCut))
            box.addTextChangedListener(AfterTextChanged { reportText() })
        }
        failure.findViewById<View>(R.id.failure_open).setOnClickListener { onOpen() }
        val builtIn: View = failure.findViewById(R.id.failure_built_in)
        builtIn.setShown(hasBuiltIn)
        builtIn.setOnClickListener { onBuiltIn() }
    }

    /** Fills in what the presenter holds. */
    fun show(text: String, second: String) {
        textBox.setText(text)
        secondBox.setText(second)
    }

    /** Puts a text into the first box as if it had been pasted. */
    fun replaceText(text: String) {
        textBox.setText(text)
        textBox.setSelection(textBox.length())
    }

    fun render(state: ModelState) {
        val error = state as? ModelState.Error
        val isFailure = error != null && error.info == null
        loading.setShown(state == ModelState.Loading)
        failure.setShown(isFailure)
        content.setShown(state != ModelState.Loading && !isFailure)
        clearMark()
        when (state) {
            ModelState.Loading -> Unit
            is ModelState.Ready -> {
                showModel(state.info)
                val isQuestion = state.info.task.type == TaskType.SPAN
                val text = if (isQuestion) R.string.ready_question else R.string.ready
                showNotice(root.context.getString(text), R.style.Text_Caption)
            }
            is ModelState.Result -> {
                showModel(state.info)
                notice.setShown(false)
                result.show(state)
                val answers = state.outcome as? Answers
                answers?.answer?.let { markAnswer(it, state.texts.last()) }
            }
            is ModelState.Error -> {
                // A screen that was just made, as after a turn of the device, shows no model yet.
                state.info?.let { showModel(it) }
                val message = root.context.describe(state.failure)
                if (isFailure) {
                    failure.findViewById<TextView>(R.id.failure_message).text = message
                } else {
                    showNotice(message, R.style.Text_Error)
                }
            }
        }
    }

    private fun showModel(info: BundleInfo) {
        val isPair = info.task.textCount == 2
        modelLine.text = root.context.getString(
            R.string.model_line,
            info.name,
            info.quantization.profile,
        )
        val isQuestion = info.task.type == TaskType.SPAN
        textBox.setHint(
            when {
                isQuestion -> R.string.context_hint
                isPair -> R.string.first_text_hint
                else -> R.string.text_hint
            },
        )
        secondBox.setHint(if (isQuestion) R.string.question_hint else R.string.second_text_hint)
        secondBox.minLines = if (isQuestion) 1 else textBox.minLines
        secondBox.setShown(isPair)
    }

    /** Marks an answer in its context, unless that has changed since. */
    private fun markAnswer(answer: Answer, context: String) {
        val text = textBox.text
        if (!context.contentEquals(text)) return
        val mark = AnswerMark(root.context.getColor(R.color.answer))
        text.setSpan(mark, answer.start, answer.end, Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
        // Whoever edits the context stays where the cursor is.
        if (!textBox.isFocused) textBox.bringPointIntoView(answer.start)
    }

    private fun clearMark() {
        val text = textBox.text
        text.getSpans(0, text.length, AnswerMark::class.java).forEach { text.removeSpan(it) }
    }

    private fun showNotice(message: String, appearance: Int) {
        result.hide()
        notice.setTextAppearance(appearance)
        notice.text = message
        notice.setShown(true)
    }

    private fun reportText() {
        val isFull = maxOf(textBox.length(), secondBox.length()) >= MAX_CHARACTERS
        if (!isFull) root.findViewById<View>(R.id.text_cut).setShown(false)
        onText(text, secondBox.text.toString())
    }

    private fun showTextCut() {
        val view: TextView = root.findViewById(R.id.text_cut)
        view.text = root.context.getString(R.string.text_cut, "%,d".format(MAX_CHARACTERS))
        view.setShown(true)
    }

    private companion object {
        /**
         * Much more than a model takes, and little enough to lay out at once and to save when the
         * app is put aside, where Android allows half a megabyte.
         */
        const val MAX_CHARACTERS = 20_000
    }

    /** Cuts what is typed or pasted at [MAX_CHARACTERS], and says so. */
    private class LimitFilter(private val onCut: () -> Unit) :
        InputFilter.LengthFilter(MAX_CHARACTERS) {
        override fun filter(
            source: CharSequence,
            start: Int,
            end: Int,
            dest: Spanned,
            dstart: Int,
            dend: Int,
        ): CharSequence? {
            val kept = super.filter(source, start, end, dest, dstart, dend)
            if (kept != null) onCut()
            return kept
        }
    }
}

/** The colour behind an answer; unlike Android's own spans it is not saved with the text. */
internal class AnswerMark(private val color: Int) : CharacterStyle(), UpdateAppearance {
    override fun updateDrawState(paint: TextPaint) {
        paint.bgColor = color
    }
}

/** Shows a view, or takes it out of the layout. */
internal fun View.setShown(isShown: Boolean) {
    visibility = if (isShown) View.VISIBLE else View.GONE
}
