package org.tinybert.demo.app

import android.text.InputFilter
import android.text.Spanned
import android.view.View
import android.widget.EditText
import android.widget.TextView
import org.tinybert.demo.core.BundleInfo
import org.tinybert.demo.core.ClassifierState

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

    fun render(state: ClassifierState) {
        val error = state as? ClassifierState.Error
        val isFailure = error != null && error.info == null
        loading.setShown(state == ClassifierState.Loading)
        failure.setShown(isFailure)
        content.setShown(state != ClassifierState.Loading && !isFailure)
        when (state) {
            ClassifierState.Loading -> Unit
            is ClassifierState.Ready -> {
                showModel(state.info)
                showNotice(root.context.getString(R.string.ready), R.style.Text_Caption)
            }
            is ClassifierState.Result -> {
                showModel(state.info)
                notice.setShown(false)
                result.show(state)
            }
            is ClassifierState.Error -> {
                // A screen that was just made, as after a turn of the device, shows no model yet.
                state.info?.let { showModel(it) }
                if (isFailure) {
                    failure.findViewById<TextView>(R.id.failure_message).text = state.message
                } else {
                    showNotice(state.message, R.style.Text_Error)
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
        textBox.setHint(if (isPair) R.string.first_text_hint else R.string.text_hint)
        secondBox.setShown(isPair)
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

/** Shows a view, or takes it out of the layout. */
internal fun View.setShown(isShown: Boolean) {
    visibility = if (isShown) View.VISIBLE else View.GONE
}
