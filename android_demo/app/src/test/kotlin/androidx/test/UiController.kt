// Stands in for a part of androidx.test, which Robolectric refers to: what Maven Central has not.
package androidx.test.platform.ui

interface UiController

class InjectEventSecurityException(message: String) : Exception(message)
