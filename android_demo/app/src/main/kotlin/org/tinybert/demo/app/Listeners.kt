package org.tinybert.demo.app

import android.text.Editable
import android.text.TextWatcher
import android.view.View
import android.widget.AdapterView

/** Calls [action] when a text has changed. */
class AfterTextChanged(private val action: () -> Unit) : TextWatcher {
    override fun beforeTextChanged(text: CharSequence, start: Int, count: Int, after: Int) = Unit

    override fun onTextChanged(text: CharSequence, start: Int, before: Int, count: Int) = Unit

    override fun afterTextChanged(text: Editable) = action()
}

/** Calls [action] with the position of the item that was selected. */
class OnItemSelected(private val action: (Int) -> Unit) : AdapterView.OnItemSelectedListener {
    override fun onItemSelected(parent: AdapterView<*>, view: View?, position: Int, id: Long) =
        action(position)

    override fun onNothingSelected(parent: AdapterView<*>) = Unit
}
