package org.tinybert.demo.apkcheck

import java.io.File
import java.nio.file.Path
import org.jf.smali.Smali
import org.jf.smali.SmaliOptions
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

class DexTest {
    @TempDir
    lateinit var folder: Path

    private val platforms = Requirements.read(emptySet()).platforms

    @Test
    fun `finds nothing missing in code for every level`() {
        val code = """
            new-instance v0, Ljava/util/ArrayList;
            invoke-direct {v0}, Ljava/util/ArrayList;-><init>()V
            invoke-virtual {p0}, Lt/Test;->isFinishing()Z
            invoke-interface {v0}, Ljava/util/List;->hashCode()I
            sget v1, Landroid/os/Build${'$'}VERSION;->SDK_INT:I
            const/4 v0, 0x0
            check-cast v0, [[Ljava/lang/String;
            invoke-virtual {v0}, [[Ljava/lang/String;->clone()Ljava/lang/Object;
        """
        assertEquals(mapOf("26" to none, "36" to none), missing(code))
    }

    @Test
    fun `finds methods that are newer than API 26`() {
        val code = """
            invoke-virtual {v0}, Landroid/view/View;->isScreenReaderFocusable()Z
            invoke-static {}, Ljava/util/List;->of()Ljava/util/List;
        """
        val newer = listOf(
            "android/view/View.isScreenReaderFocusable()Z",
            "java/util/List.of()Ljava/util/List;",
        )
        assertEquals(mapOf("26" to newer, "36" to none), missing(code))
    }

    @Test
    fun `finds classes that are newer than API 26`() {
        val code = "const-class v0, Landroid/window/OnBackInvokedCallback;"
        val newer = listOf("android/window/OnBackInvokedCallback")
        assertEquals(mapOf("26" to newer, "36" to none), missing(code))
    }

    @Test
    fun `finds fields that are newer than API 26`() {
        val code = "sget v0, Landroid/content/pm/ApplicationInfo;->CATEGORY_ACCESSIBILITY:I"
        val newer = listOf("android/content/pm/ApplicationInfo.CATEGORY_ACCESSIBILITY:I")
        assertEquals(mapOf("26" to newer, "36" to none), missing(code))
    }

    @Test
    fun `finds what is nowhere`() {
        val code = """
            invoke-virtual {p0}, Lt/Test;->isFinished()Z
            const-class v0, [Lt/Other;
            sget v0, Lt/Test;->none:I
            invoke-static {}, Lkotlin/Missing;->call()V
        """
        val nowhere = listOf(
            "kotlin/Missing",
            "kotlin/Missing.call()V",
            "t/Other",
            "t/Test.isFinished()Z",
            "t/Test.none:I",
        )
        assertEquals(mapOf("26" to nowhere, "36" to nowhere), missing(code))
    }

    @Test
    fun `finds methods with another signature`() {
        val code = "invoke-virtual {p0, v0}, Lt/Test;->isFinishing(I)Z"
        assertTrue("t/Test.isFinishing(I)Z" in missing(code).getValue("26"))
    }

    @Test
    fun `finds calls whose target is made at run time`() {
        val factory = "Lt/Test;->make()Ljava/lang/Object;"
        val code = "invoke-custom {}, site(\"run\", ()V)@$factory"
        assertTrue("the target of an invokedynamic, run" in missing(code).getValue("36"))
    }

    private val none = emptyList<String>()

    private fun missing(code: String): Map<String, List<String>> {
        val file = assemble(folder.toFile(), code)
        return platforms.mapValues { (_, platform) ->
            Dex(listOf(file.inputStream().buffered())).missing(platform)
        }
    }
}

/** Makes a dex file of a class `t.Test`, an activity with one method of that [code]. */
fun assemble(folder: File, code: String): File {
    val source = File(folder, "Test.smali")
    source.writeText(
        """
        .class public Lt/Test;
        .super Landroid/app/Activity;
        .method public test()V
            .registers 4
        """.trimIndent() + "\n$code\n" + """
            return-void
        .end method
        """.trimIndent() + "\n",
    )
    val dex = File(folder, "classes.dex")
    val options = SmaliOptions()
    options.outputDexFile = dex.path
    options.apiLevel = 26
    check(Smali.assemble(options, source.path)) { "smali refused the code." }
    return dex
}
