package org.tinybert.demo.apkcheck

import java.io.Closeable
import java.io.File
import java.io.ObjectInputStream
import java.util.zip.GZIPInputStream
import java.util.zip.ZipFile
import org.codehaus.mojo.animal_sniffer.Clazz
import org.objectweb.asm.ClassReader
import org.objectweb.asm.ClassVisitor
import org.objectweb.asm.FieldVisitor
import org.objectweb.asm.MethodVisitor
import org.objectweb.asm.Opcodes

/**
 * A class as far as others can refer to it.
 *
 * @property supers the internal names of its superclass and interfaces, such as `java/lang/Object`
 * @property members its methods as `name(parameters)result`, its fields as `name:type`, in the
 *   descriptors of the JVM
 */
class ClassApi(val supers: List<String>, val members: Set<String>)

/** The classes of a version of Android, or of an app. */
fun interface ClassSource {
    /** Finds a class by its internal name. */
    fun find(name: String): ClassApi?
}

/** The classes of a jar. */
class JarClasses(jar: File) : ClassSource, Closeable {
    private val zip = ZipFile(jar)
    private val found = HashMap<String, ClassApi?>()

    override fun find(name: String): ClassApi? = found.getOrPut(name) {
        zip.getEntry("$name.class")?.let { entry ->
            zip.getInputStream(entry).use { read(ClassReader(it)) }
        }
    }

    override fun close() = zip.close()

    private fun read(reader: ClassReader): ClassApi {
        val members = HashSet<String>()
        val visitor = object : ClassVisitor(Opcodes.ASM9) {
            override fun visitMethod(
                access: Int,
                name: String,
                descriptor: String,
                signature: String?,
                exceptions: Array<out String>?,
            ): MethodVisitor? {
                members += name + descriptor
                return null
            }

            override fun visitField(
                access: Int,
                name: String,
                descriptor: String,
                signature: String?,
                value: Any?,
            ): FieldVisitor? {
                members += "$name:$descriptor"
                return null
            }
        }
        reader.accept(visitor, ClassReader.SKIP_CODE or ClassReader.SKIP_DEBUG)
        return ClassApi(listOfNotNull(reader.superName) + reader.interfaces, members)
    }
}

/** The classes of a signature file of Animal Sniffer. */
class SignatureClasses(file: File) : ClassSource {
    private val classes = HashMap<String, ClassApi>()

    init {
        ObjectInputStream(GZIPInputStream(file.inputStream().buffered())).use { input ->
            while (true) {
                val entry = input.readObject() as Clazz? ?: break
                // Animal Sniffer writes a field as name#type.
                val members = entry.signatures.mapTo(HashSet()) { it.replace('#', ':') }
                val supers = listOfNotNull(entry.superClass) + entry.superInterfaces
                classes[entry.name] = ClassApi(supers, members)
            }
        }
    }

    override fun find(name: String): ClassApi? = classes[name]
}
