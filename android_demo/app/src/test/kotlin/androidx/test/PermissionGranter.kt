// Stands in for a part of androidx.test, which Robolectric refers to: what Maven Central has not.
package androidx.test.internal.platform.content

interface PermissionGranter
