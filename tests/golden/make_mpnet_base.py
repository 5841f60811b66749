"""Writes what transformers computes with the weights of all-mpnet-base-v2: mpnet_base.json.

Run it with PyTorch and transformers: `python tests/golden/make_mpnet_base.py DIRECTORY`, where
`make teacher-mpnet` put the weights. For each sentence and hidden state (the embedding output
first), the first eight values of the first, the second and the last token.
"""

import json
import pathlib
import sys

import torch
import transformers

SENTENCES = [
    "a fine film .",
    "The cat sat on the mat, and looked at him.",
    "An émigré's naïve résumé!",
    "He",
    "Two tickets to Busan, please; we leave at 7:45 tomorrow morning.",
]
TOKENS = [0, 1, -1]
VALUES = 8


def main(directory: str) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    model = transformers.AutoModel.from_pretrained(directory).eval()
    states = []
    for sentence in SENTENCES:
        inputs = tokenizer(sentence, return_tensors="pt")
        with torch.no_grad():
            outputs = model(**inputs, output_hidden_states=True)
        states.append([hidden[0, TOKENS, :VALUES].tolist() for hidden in outputs.hidden_states])
    expected = {"sentences": SENTENCES, "tokens": TOKENS, "hidden_states": states}
    path = pathlib.Path(__file__).parent / "mpnet_base.json"
    path.write_text(json.dumps(expected) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
