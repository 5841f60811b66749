"""Where the contract between exporter and app is: schema, profiles, golden texts."""

import json
import pathlib

_INSTALLED = pathlib.Path(__file__).parent / "contract_files"
_CHECKOUT = pathlib.Path(__file__).parents[2] / "export"


def contract_path(name: str) -> pathlib.Path:
    """Returns the path of a file or folder of the contract.

    In a checkout it stands at the top, where the app's developers look; `setup.py` installs it
    beside this module.

    Args:
        name: str. Such as `"profiles"`.
    """
    return (_INSTALLED if _INSTALLED.exists() else _CHECKOUT) / name


def read_contract(name: str) -> dict:
    """Returns a JSON file of the contract.

    Args:
        name: str. Such as `"bundle.schema.json"`.
    """
    return json.loads(contract_path(name).read_text("utf-8"))
