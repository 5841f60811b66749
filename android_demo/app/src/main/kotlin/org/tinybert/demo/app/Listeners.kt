package org.tinybert.demo.app

import android.text.Editable
import android.text.TextWatcher

/** Calls [action] when a text has changed. */
class AfterTextChanged(private val action: () -> Unit) : TextWatcher {
    override fun beforeTextChanged(text: CharSequence, start: Int, count: Int, after: Int) = Unit

    override fun onTextChanged(text: CharSequence, start: Int, before: Int, count: Int) = Unit

    override fun afterTextChanged(text: Editable) = action()
}
