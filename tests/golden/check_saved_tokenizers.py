"""Asks transformers whether it reads what `save_text_classifier` writes to the same ids.

    .venv/bin/python tests/golden/check_saved_tokenizers.py --python PYTHON

PYTHON has transformers 5, as in the extra [benchmark]; it may be that of another environment.
For each kind of tokenizer both read 2,000 generated texts. One difference is known: in lower
case Google's tokenizer, and so this library, ends a Greek word in capitals with a final sigma,
Hugging Face's with a medial one.
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

from tinybert_tf.checkpoints import save_text_classifier
from tinybert_tf.models import BertEncoder, BertTextClassifier
from tinybert_tf.tokenization import AddedToken, BertPreprocessor, BertTokenizer

_READ = """
import json, sys
import transformers
tokenizer = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
texts = json.loads(open(sys.argv[2], encoding="utf-8").read())
print(json.dumps(tokenizer(texts, add_special_tokens=False)["input_ids"]))
"""
ADDED = [
    *(AddedToken(t, normalized=False) for t in ("[URL]", "<b", "<b>", "e\u0301")),
    *map(AddedToken, ("covid", "new york", "na\u00efve", "\u4e2d\u56fd", "ing", "Quiz")),
]
KINDS = {
    "plain": {},
    "cased": {"lowercase": False},
    "accents kept": {"strip_accents": False},
    "cased, accents dropped": {"lowercase": False, "strip_accents": True},
    "Chinese together": {"tokenize_chinese_chars": False},
    "added tokens": {"added_tokens": ADDED},
    "added tokens, cased": {"lowercase": False, "added_tokens": ADDED},
    "all": {"strip_accents": False, "tokenize_chinese_chars": False, "added_tokens": ADDED},
}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["the", "The", "caf\u00e9", "cafe", "Caf\u00e9", "\u00fcber", "uber", "co", "quiz"]
WORDS += ["vid", "##vid", "new", "york", "\u4e2d", "\u56fd", "\u56fd\u4e2d", "##\u56fd", "url"]
LETTERS = [*"abcdefgilnoqrstuvwxyABCDEFGILNOQRSTUVWXY0123456789[]<>.,!-'\u00e9\u00ef\u0301"]
# The two sigmas and what may be before them.
LETTERS += [*"\u03c3\u03c2\u03b1\u03bf\u03a3\u0391"]
VOCABULARY = [*SPECIAL, *WORDS, *LETTERS, *(f"##{c}" for c in LETTERS)]
VOCABULARY += [token.content for token in ADDED]
# Ranges of code points that texts are drawn from.
RANGES = [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x4E00, 0x4E40)]
RANGES += [(0x3040, 0x30FF), (0xAC00, 0xAC40), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x0, 0x1F)]


def make_texts(count: int) -> list[str]:
    """Returns texts of pieces of the vocabulary and characters of many scripts."""
    chance = random.Random(17)
    pieces = [token.removeprefix("##") for token in VOCABULARY[len(SPECIAL) :]]
    added = [token.content for token in ADDED]

    def piece() -> str:
        match chance.randrange(5):
            case 0:
                return chance.choice(added)
            case 1:
                return chance.choice([str.upper, str.title])(chance.choice(pieces + added))
            case 2:
                first, last = chance.choice(RANGES)
                return "".join(chr(chance.randint(first, last)) for _ in range(3))
            case _:
                return chance.choice(pieces)

    return [
        "".join(piece() + chance.choice(["", " "]) for _ in range(chance.randrange(16)))
        for _ in range(count)
    ]


def make_classifier(settings: dict) -> BertTextClassifier:
    """Returns a classifier with a tokenizer of some settings."""
    encoder = BertEncoder(len(VOCABULARY), 1, 2, 8, 8, max_sequence_length=16)
    tokenizer = BertTokenizer(VOCABULARY, **settings)
    return BertTextClassifier(encoder, 2, preprocessor=BertPreprocessor(tokenizer, 16))


def read_by_transformers(python: str, folder: pathlib.Path, texts: pathlib.Path) -> list:
    """Returns the ids that transformers makes of the texts in a file."""
    command = [python, "-c", _READ, str(folder), str(texts)]
    result = subprocess.run(command, stdout=subprocess.PIPE, check=True, encoding="utf-8")
    return json.loads(result.stdout)


def main() -> None:
    """Prints the differences of each kind; exits with 1 if there are unknown ones."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="of transformers")
    parser.add_argument("--texts", type=int, default=2000)
    arguments = parser.parse_args()
    texts, unknown = make_texts(arguments.texts), 0
    with tempfile.TemporaryDirectory() as aside:
        path = pathlib.Path(aside) / "texts.json"
        path.write_text(json.dumps(texts), "utf-8")
        for kind, settings in KINDS.items():
            model = make_classifier(settings)
            folder = pathlib.Path(aside) / kind.replace(" ", "_")
            save_text_classifier(model, folder)
            theirs = read_by_transformers(arguments.python, folder, path)
            tokenizer = model.preprocessor.tokenizer
            ours, medial = (
                tokenizer(read).to_list()
                for read in (texts, [text.replace("\u03a3", "\u03c3") for text in texts])
            )
            rows = zip(texts, ours, theirs, medial, strict=True)
            differing = [row for row in rows if row[1] != row[2]]
            others = [row[:3] for row in differing if row[3] != row[2]]
            print(f"{kind}: {len(texts)} texts, {len(differing)} differ, {len(others)} unknown")
            for text, x, y in others[:3]:
                print(f"  {text!a}\n    ours   {x}\n    theirs {y}")
            unknown += len(others)
    sys.exit(1 if unknown else 0)


if __name__ == "__main__":
    main()
