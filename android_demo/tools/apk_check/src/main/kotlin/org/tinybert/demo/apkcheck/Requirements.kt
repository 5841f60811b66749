package org.tinybert.demo.apkcheck

import java.io.File
import java.util.Properties

/**
 * What an APK has to be.
 *
 * @property abis the folders of native libraries that it must have, and no others
 * @property runtimeVersion of the inference runtime in it
 * @property platforms Android, by API level
 */
class Requirements(
    val abis: Set<String>,
    val runtimeVersion: String,
    val platforms: Map<String, ClassSource>,
) {
    companion object {
        private const val PLATFORM = "platform."

        /** The requirements of `android.properties`. */
        fun read(abis: Set<String>): Requirements {
            val properties = Properties()
            Requirements::class.java.getResourceAsStream("/android.properties")
                .use(properties::load)
            val platforms = properties.stringPropertyNames().filter { it.startsWith(PLATFORM) }
                .sorted()
                .associate { it.removePrefix(PLATFORM) to platform(properties.getProperty(it)) }
            return Requirements(abis, properties.getProperty("runtime"), platforms)
        }

        private fun platform(paths: String): ClassSource {
            val sources = paths.split(File.pathSeparator).map { path ->
                val file = File(path)
                if (file.extension == "jar") JarClasses(file) else SignatureClasses(file)
            }
            return ClassSource { name -> sources.firstNotNullOfOrNull { it.find(name) } }
        }
    }
}
