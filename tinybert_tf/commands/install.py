"""The command `install`."""

from tinybert_tf.commands._parser import CommandParser, path

HELP = "put a bundle into the Android demo"


def add_arguments(parser: CommandParser) -> None:
    """Adds the bundle and `--android`."""
    parser.add_argument("bundle", type=path, metavar="BUNDLE", help="the folder of the bundle")
    parser.add_argument(
        "--android",
        type=path,
        required=True,
        metavar="DIR",
        help="the folder of the Android demo",
    )


def execute(arguments) -> None:
    """Checks app and bundle, and copies it."""
    from tinybert_tf import export

    export.check_app(arguments.android)
    export.verify_bundle(arguments.bundle)
    place = export.put_into_app(arguments.bundle, arguments.android)
    print(f"The app has it at {place}.")
