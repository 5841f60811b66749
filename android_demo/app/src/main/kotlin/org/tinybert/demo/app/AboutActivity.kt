package org.tinybert.demo.app

import android.app.Activity
import android.content.Context
import android.content.Intent
import android.os.Bundle
import android.view.LayoutInflater
import android.view.MenuItem
import android.widget.LinearLayout
import android.widget.TextView
import org.tinybert.demo.core.BundleInfo

/** The facts of a bundle, a name and a value each. */
class AboutActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_about)
        setActionBar(findViewById(R.id.toolbar))
        actionBar?.setDisplayHomeAsUpEnabled(true)
        val names = intent.getStringArrayExtra(NAMES).orEmpty()
        val values = intent.getStringArrayExtra(VALUES).orEmpty()
        val facts: LinearLayout = findViewById(R.id.facts)
        for ((name, value) in names.zip(values)) {
            val row = LayoutInflater.from(this).inflate(R.layout.fact_row, facts, false)
            row.findViewById<TextView>(R.id.fact_name).text = name
            row.findViewById<TextView>(R.id.fact_value).text = value
            facts.addView(row)
        }
    }

    override fun onOptionsItemSelected(item: MenuItem): Boolean {
        if (item.itemId != android.R.id.home) return super.onOptionsItemSelected(item)
        finish()
        return true
    }

    companion object {
        private const val NAMES = "names"
        private const val VALUES = "values"

        /** Opens the page; [runtimeVersion] is of the runtime in the app. */
        fun intent(context: Context, info: BundleInfo, runtimeVersion: String): Intent {
            val facts = bundleFacts(context, info, runtimeVersion)
            return Intent(context, AboutActivity::class.java)
                .putExtra(NAMES, facts.map { it.name }.toTypedArray())
                .putExtra(VALUES, facts.map { it.value }.toTypedArray())
        }
    }
}
