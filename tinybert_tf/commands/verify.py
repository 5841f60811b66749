"""The command `verify`."""

from tinybert_tf.commands._parser import CommandParser, path

HELP = "check that bundles are whole and give what they should"


def add_arguments(parser: CommandParser) -> None:
    """Adds the bundles."""
    parser.add_argument(
        "bundles", type=path, nargs="+", metavar="BUNDLE", help="the folder of a bundle"
    )


def execute(arguments) -> None:
    """Prints a line for each bundle."""
    from tinybert_tf import export

    for bundle in arguments.bundles:
        info = export.verify_bundle(bundle)
        print(
            f"{bundle}: {info['name']} {info['version']}, {info['quantization']['profile']}, "
            f"{len(info['files'])} files as listed, golden outputs within "
            f"{info['golden_difference']:.1e}."
        )
