package org.tinybert.demo.device

import java.io.File
import org.tinybert.demo.app.TensorFlowLiteEngineFactory
import org.tinybert.demo.core.Bundle
import org.tinybert.demo.core.FolderSource

/** A bundle of the desktop module's tests. */
fun testBundle(name: String) = File("../desktop/src/test/resources", name)

fun readBundle(folder: File): Bundle =
    Bundle.read(FolderSource(folder), TensorFlowLiteEngineFactory.runtimeVersion)
