package org.tinybert.demo.apkcheck

import java.io.InputStream
import org.jf.dexlib2.Opcodes
import org.jf.dexlib2.ReferenceType
import org.jf.dexlib2.dexbacked.DexBackedDexFile
import org.jf.dexlib2.iface.reference.FieldReference
import org.jf.dexlib2.iface.reference.MethodReference
import org.jf.dexlib2.iface.reference.TypeReference

/** The code of an app: its own classes, and what they refer to. */
class Dex(streams: List<InputStream>) : ClassSource {
    private val files =
        streams.map { DexBackedDexFile.fromInputStream(Opcodes.forApi(MAX_API), it) }
    private val classes = files.flatMap { it.classes }.associateBy { internalName(it.type) }

    override fun find(name: String): ClassApi? = classes[name]?.let { type ->
        ClassApi(
            (listOfNotNull(type.superclass) + type.interfaces).map(::internalName),
            type.methods.mapTo(HashSet()) { member(it) } + type.fields.map { member(it) },
        )
    }

    /**
     * Looks for everything that the code refers to.
     *
     * @param platform where to look for what the code does not bring itself
     * @return what is nowhere, sorted
     */
    fun missing(platform: ClassSource): List<String> {
        val lookup = Lookup { find(it) ?: platform.find(it) }
        val types = references<TypeReference>(ReferenceType.TYPE)
            .mapNotNull { elementClass(it.type) }
            .filter { !it.startsWith(VIRTUAL_MACHINE) && lookup.find(it) == null }
        val methods = references<MethodReference>(ReferenceType.METHOD)
            .map { it.definingClass to member(it) }
        val fields = references<FieldReference>(ReferenceType.FIELD)
            .map { it.definingClass to member(it) }
        val members = (methods + fields)
            .filter { (type, member) -> !lookup.hasMember(type, member) }
            .map { (type, member) -> "${internalName(type)}.$member" }
        // Such a call makes its target when it first runs: there is nothing to look up.
        val dynamic = files.flatMap { it.callSiteSection }
            .map { "the target of an invokedynamic, ${it.methodName}" }
        return (types + members + dynamic).distinct().sorted()
    }

    /** The number of classes, methods and fields that the code refers to. */
    val referenceCount: Int
        get() = listOf(ReferenceType.TYPE, ReferenceType.METHOD, ReferenceType.FIELD)
            .sumOf { kind -> files.sumOf { it.getReferences(kind).size } }

    @Suppress("UNCHECKED_CAST")
    private fun <T> references(kind: Int): List<T> =
        files.flatMap { it.getReferences(kind) } as List<T>

    private companion object {
        /** Chooses how dexlib2 reads instructions; those of this level know every dex version. */
        const val MAX_API = 30

        /** Annotations that dex files are made of, which the virtual machine knows by name. */
        const val VIRTUAL_MACHINE = "dalvik/annotation/"
    }
}

/** Finds members where a virtual machine does: in the class and in all that it inherits from. */
private class Lookup(private val source: ClassSource) {
    fun find(name: String): ClassApi? = source.find(name)

    fun hasMember(type: String, member: String): Boolean =
        // An array has the methods of Object; an interface too, though it inherits from nothing.
        hasInherited(if (type.startsWith('[')) OBJECT else internalName(type), member) ||
            hasInherited(OBJECT, member)

    private fun hasInherited(name: String, member: String): Boolean {
        val found = find(name) ?: return false
        return member in found.members || found.supers.any { hasInherited(it, member) }
    }
}

private const val OBJECT = "java/lang/Object"

private fun member(method: MethodReference) =
    method.name + method.parameterTypes.joinToString("", "(", ")") + method.returnType

private fun member(field: FieldReference) = "${field.name}:${field.type}"

/** `Ljava/lang/Object;` to `java/lang/Object`. */
private fun internalName(type: String) = type.removePrefix("L").removeSuffix(";")

/** The class in a type such as `[[Ljava/lang/String;`; null if it is of a primitive. */
private fun elementClass(type: String): String? =
    type.trimStart('[').takeIf { it.startsWith('L') }?.let(::internalName)
