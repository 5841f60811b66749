package org.tinybert.demo.core

/**
 * A bundle that cannot be used.
 *
 * The message is for the user: it names the file, what it holds, what was expected, and the way
 * out.
 */
class BundleException(message: String, cause: Throwable? = null) : Exception(message, cause)
