package org.tinybert.demo.app

import java.text.NumberFormat

/** How numbers are written, in the language of the device. */
class Formats {
    private val percent = NumberFormat.getPercentInstance().apply {
        minimumFractionDigits = 1
        maximumFractionDigits = 1
    }
    private val decimal = NumberFormat.getNumberInstance().apply { maximumFractionDigits = 4 }
    private val tenths = NumberFormat.getNumberInstance().apply {
        minimumFractionDigits = 1
        maximumFractionDigits = 1
    }

    /** A probability, such as 98.2 %. */
    fun share(probability: Number): String = percent.format(probability)

    /** A number with at most four decimals. */
    fun number(value: Number): String = decimal.format(value)

    /** Nanoseconds as milliseconds with one decimal, without the unit. */
    fun milliseconds(nanoseconds: Long): String = tenths.format(nanoseconds / 1e6)
}
