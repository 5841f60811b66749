package org.tinybert.demo.app

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config

/** The real activities on the classes and resources of API 26. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [26], application = FakeApplication::class)
class OldestAndroidTest {
    @get:Rule
    val folder = TemporaryFolder()

    @Test
    fun `classifies and is turned`() {
        addToAssets(writeTestBundle(folder.newFolder()))
        val screen = Screen.start()
        screen.type("a good film")
        screen.waitForResult()
        assertEquals("positive, 90.0%", screen.text(R.id.headline))
        RuntimeEnvironment.setQualifiers("+land-night")
        screen.controller.configurationChange().visible()
        screen.waitFor("the window") { screen.isShown(R.id.content) }
        assertEquals("positive, 90.0%", screen.text(R.id.headline))
        assertEquals("a good film", screen.text(R.id.text))
    }

    @Test
    fun `says that there is no bundle`() {
        val screen = Screen.start()
        screen.waitFor("the message") { screen.isShown(R.id.failure) }
    }

    @Test
    fun `tells about the bundle`() {
        addToAssets(writeTestBundle(folder.newFolder()))
        val screen = Screen.start()
        screen.waitFor("the content") { screen.isShown(R.id.content) }
        val info = (screen.activity.onRetainNonConfigurationInstance() as Session).info!!
        val intent = AboutActivity.intent(screen.activity, info, "2.16.1")
        val about = Robolectric.buildActivity(AboutActivity::class.java, intent).setup().get()
        assertTrue(about.contentView.tree().count() > 20)
    }
}
