package org.tinybert.demo.app

import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Intent
import android.os.Bundle
import android.view.Menu
import android.view.MenuItem
import android.view.View
import android.widget.Toast
import org.tinybert.demo.core.BundleInfo
import org.tinybert.demo.core.BundleSource
import org.tinybert.demo.core.ModelState
import org.tinybert.demo.core.SavedState

/** The one screen: passes what the user does to the presenter, and the presenter's states on. */
class MainActivity : Activity() {
    private lateinit var session: Session
    private lateinit var screen: MainScreen

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_main)
        setActionBar(findViewById(R.id.toolbar))
        val retained = lastNonConfigurationInstance as Session?
        session = retained ?: Session(application as DemoApplication, saved(savedInstanceState))
        val root: View = findViewById(android.R.id.content)
        screen = MainScreen(root, session.library.hasBuiltIn, ::runtimeVersion)
        screen.show(session.presenter.text, session.presenter.second)
        if (retained == null && savedInstanceState == null) takeSharedText(intent)
    }

    override fun onPostCreate(savedInstanceState: Bundle?) {
        super.onPostCreate(savedInstanceState)
        // Only now: restoring the views must not count as typing.
        screen.onText = session.presenter::onText
        screen.onOpen = ::pickBundle
        screen.onBuiltIn = { open(session.library::useBuiltIn) }
        // Restoring the views took the mark off the answer.
        render(session.presenter.state)
    }

    override fun onStart() {
        super.onStart()
        session.presenter.attach(::render)
    }

    override fun onStop() {
        session.presenter.detach()
        super.onStop()
    }

    override fun onDestroy() {
        if (!isChangingConfigurations) session.close()
        super.onDestroy()
    }

    override fun onRetainNonConfigurationInstance(): Any = session

    override fun onSaveInstanceState(outState: Bundle) {
        super.onSaveInstanceState(outState)
        val saved = session.presenter.save()
        outState.putString(TEXT, saved.text)
        outState.putString(SECOND, saved.second)
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        takeSharedText(intent)
    }

    override fun onCreateOptionsMenu(menu: Menu): Boolean {
        menuInflater.inflate(R.menu.main, menu)
        return true
    }

    override fun onPrepareOptionsMenu(menu: Menu): Boolean {
        menu.findItem(R.id.about).isEnabled = session.info != null
        menu.findItem(R.id.built_in).isVisible = session.library.hasBuiltIn
        return true
    }

    override fun onOptionsItemSelected(item: MenuItem): Boolean {
        when (item.itemId) {
            R.id.open_bundle -> pickBundle()
            R.id.built_in -> open(session.library::useBuiltIn)
            R.id.about -> session.info?.let { showAbout(it) }
            else -> return super.onOptionsItemSelected(item)
        }
        return true
    }

    override fun onActivityResult(requestCode: Int, resultCode: Int, data: Intent?) {
        val uri = data?.data ?: return
        if (requestCode == PICK_BUNDLE && resultCode == RESULT_OK) {
            open { session.library.import(uri) }
        }
    }

    private fun render(state: ModelState) {
        if (state is ModelState.Ready) session.info = state.info
        if (state is ModelState.Result) session.info = state.info
        screen.render(state)
    }

    private fun showAbout(info: BundleInfo) {
        startActivity(AboutActivity.intent(this, info, runtimeVersion()))
    }

    private fun runtimeVersion() = (application as DemoApplication).engineFactory.runtimeVersion

    private fun open(source: () -> BundleSource) = session.presenter.open(source)

    private fun pickBundle() {
        val intent = Intent(Intent.ACTION_OPEN_DOCUMENT)
            .addCategory(Intent.CATEGORY_OPENABLE)
            .setType("*/*")
            .putExtra(Intent.EXTRA_MIME_TYPES, ZIP_TYPES)
        try {
            startActivityForResult(intent, PICK_BUNDLE)
        } catch (_: ActivityNotFoundException) {
            Toast.makeText(this, R.string.no_picker, Toast.LENGTH_LONG).show()
        }
    }

    private fun takeSharedText(intent: Intent) {
        val extra = when (intent.action) {
            Intent.ACTION_SEND -> Intent.EXTRA_TEXT
            Intent.ACTION_PROCESS_TEXT -> Intent.EXTRA_PROCESS_TEXT
            else -> return
        }
        val text = intent.getCharSequenceExtra(extra) ?: return
        screen.replaceText(text.toString())
        session.presenter.onText(screen.text, session.presenter.second)
    }

    private fun saved(state: Bundle?) = SavedState(
        state?.getString(TEXT).orEmpty(),
        state?.getString(SECOND).orEmpty(),
    )

    private companion object {
        const val TEXT = "text"
        const val SECOND = "second"
        const val PICK_BUNDLE = 1

        /** Not every provider of files knows that a .zip is one. */
        val ZIP_TYPES = arrayOf("application/zip", "application/octet-stream")
    }
}
