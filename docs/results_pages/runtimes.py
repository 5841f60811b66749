"""Section of the runtimes that apps have: older versions, and the demo's own."""

from results_pages.parts import load, table


def _versions_part() -> list[str]:
    figures = load("litert_versions")
    if figures is None:
        return []
    rows = figures["results"]
    profiles = list(dict.fromkeys(row["profile"] for row in rows))
    times = {(row["runtime"], row["profile"]): row["milliseconds"] for row in rows}
    body = [
        [runtime, *(f"{times[runtime, profile]:.1f}" for profile in profiles)]
        for runtime in dict.fromkeys(row["runtime"] for row in rows)
    ]
    return [
        f"The general student with a random head, {rows[0]['tokens']} tokens, on published "
        "versions of the runtime for desktops (x86-64): milliseconds of processor time on one "
        "thread, the least of many runs. From LiteRT 1.1.2 on XNNPACK runs all that takes "
        "time; before, no profile is as fast, and static_int8 loses least. `bundle.json` says "
        "so in `runtime.fast_litert`.",
        f"    {figures['command']}",
        table(["runtime", *profiles], body),
    ]


def _app_part() -> list[str]:
    figures = load("demo_runtime")
    if figures is None:
        return []
    runs = figures["runs"]
    times = {(r["profile"], r["tokens"], r["engine"]): r["milliseconds"] for r in runs}
    names = {row["engine"]: row["runtime"] for row in runs}
    body = [
        [profile, str(tokens), *(f"{times[profile, tokens, engine]:.2f}" for engine in names)]
        for profile, tokens in dict.fromkeys((row["profile"], row["tokens"]) for row in runs)
    ]
    starts = [
        [
            row["profile"],
            "known" if row["hashes_known"] else "computed",
            str(row["milliseconds"]),
            str(row["resident_megabytes"]),
        ]
        for row in figures["starts"]
    ]
    return [
        "The demo's engine on the library of its own AAR for x86-64, over a shim of Android's "
        "C library, beside the desktop's newer runtime; from text to result, tokenizer "
        "included. **These are no times of a phone**, which has another library: in this one "
        "static_int8 is the slowest profile, in a desktop's of that age (above) the fastest.",
        f"    {figures['command']}",
        f"{figures['processor']}.",
        table(["profile", "tokens", *names.values()], body),
        "From a bundle to the first result in a fresh Java virtual machine: milliseconds of "
        "processor time, and megabytes of the process. The hashes are computed once an "
        "installation.",
        table(["profile", "hashes", "ms", "MB"], starts),
    ]


def runtimes_section() -> list[str]:
    """What older runtimes cost."""
    parts = [*_versions_part(), *_app_part()]
    return ["## Runtimes of apps", *parts] if parts else []
