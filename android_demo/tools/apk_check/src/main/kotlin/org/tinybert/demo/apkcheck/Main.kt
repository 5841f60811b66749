package org.tinybert.demo.apkcheck

import java.io.File
import kotlin.system.exitProcess

private const val USAGE = "Usage: apk_check APK ABI,..."

/** Lists an APK and what is wrong with it; exits with 1 if something is. */
fun main(arguments: Array<String>) {
    if (arguments.size != 2) fail(USAGE)
    val (path, abis) = arguments
    val apk = File(path)
    if (!apk.isFile) fail("There is no APK $apk. $USAGE")
    val requirements = Requirements.read(abis.split(',').toSet())
    ApkCheck(apk, requirements).use { check ->
        check.listing().forEach(::println)
        println("%,d bytes in all".format(apk.length()))
        val problems = check.problems()
        problems.forEach { System.err.println("apk_check: $it") }
        if (problems.isNotEmpty()) exitProcess(1)
        println(
            "No problem found; ${check.readDex()?.referenceCount} references looked up in API " +
                "${requirements.platforms.keys.joinToString(" and ")}.",
        )
    }
}

private fun fail(message: String): Nothing {
    System.err.println(message)
    exitProcess(2)
}
