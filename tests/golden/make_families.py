"""Makes the small random checkpoints of BERT's relatives, with what transformers computes.

Run where PyTorch and transformers are: `python tests/golden/make_families.py`. Each folder
gets the checkpoint as transformers saves it, and `expected.npz`: `token_ids` and
`padding_mask`, `hidden_0` (the embedding output) upwards, `score_0` upwards (before mask and
softmax, a relative bias included) and `logits`. Token ids are BERT's; MPNet gets its own for
the same tokens.
"""

import json
import math
import pathlib

import numpy as np
import torch
import transformers

FOLDER = pathlib.Path(__file__).parent
WORDS = [
    "[PAD]",
    "[unused0]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *"abcdefghijklmnopqrstuvwxyz",
]
LENGTH = 12
COMMON = {
    "max_position_embeddings": 24,
    "initializer_range": 0.3,
    "id2label": {"0": "sad", "1": "glad", "2": "neither"},
    "label2id": {"sad": 0, "glad": 1, "neither": 2},
}
BERT_LIKE = {
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "hidden_size": 24,
    "intermediate_size": 40,
    "type_vocab_size": 2,
    **COMMON,
}
FAMILIES = {
    "distilbert": {
        **COMMON,
        "n_layers": 2,
        "n_heads": 4,
        "dim": 24,
        "hidden_dim": 40,
        "vocab_size": len(WORDS),
    },
    "electra": {**BERT_LIKE, "embedding_size": 16, "vocab_size": len(WORDS)},
    "mpnet": {
        **BERT_LIKE,
        "layer_norm_eps": 1e-5,
        "vocab_size": len(WORDS) + 5,
        # Its positions begin at 2.
        "max_position_embeddings": 26,
    },
}
MPNET = ["<s>", "<pad>", "</s>", "<unk>", *WORDS, "<mask>"]
MPNET_SPECIAL = {"[CLS]": 0, "[PAD]": 1, "[SEP]": 2, "[MASK]": len(MPNET) - 1}
# Layers whose inputs become queries and keys.
PARTS = {
    "distilbert": ("q_lin", "k_lin"),
    "electra": ("query", "key"),
    "mpnet": ("q", "k"),
}


def make_inputs() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    lengths = np.array([LENGTH, 7, 3])
    mask = np.arange(LENGTH) < lengths[:, None]
    ids = random.integers(6, len(WORDS), mask.shape)
    ids[:, 0] = WORDS.index("[CLS]")
    ids[np.arange(3), lengths - 1] = WORDS.index("[SEP]")
    ids[0, 4] = WORDS.index("[MASK]")
    return np.where(mask, ids, 0), mask.astype("int64")


def make(name: str) -> None:
    torch.manual_seed(11)
    config = transformers.AutoConfig.for_model(name, **FAMILIES[name])
    model = transformers.AutoModelForSequenceClassification.from_config(
        config, attn_implementation="eager"
    ).eval()
    with torch.no_grad():
        # Freshly made, biases and LayerNorms say nothing.
        for key, value in model.named_parameters():
            if key.endswith("bias") or "norm" in key.lower():
                value.add_(torch.randn_like(value) * 0.1)
    folder = FOLDER / f"hf_{name}_classifier"
    model.save_pretrained(folder)
    words = MPNET if name == "mpnet" else WORDS
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words), "utf-8")
    ids, mask = make_inputs()
    given = ids
    if name == "mpnet":
        given = np.array([[MPNET_SPECIAL.get(WORDS[i], i + 4) for i in row] for row in ids])
    projected = {}

    def keep(key):
        return lambda layer, inputs, output: projected.setdefault(key, output)

    for key, layer in model.named_modules():
        if key.rsplit(".", 1)[-1] in PARTS[name]:
            layer.register_forward_hook(keep(key))
    with torch.no_grad():
        outputs = model(
            torch.tensor(given), attention_mask=torch.tensor(mask), output_hidden_states=True
        )
        expected = {"token_ids": ids, "padding_mask": mask, "logits": outputs.logits.numpy()}
        for i, hidden in enumerate(outputs.hidden_states):
            expected[f"hidden_{i}"] = hidden.numpy()
        values = list(projected.values())
        for i in range(len(values) // 2):
            query, key = (
                x.reshape(*x.shape[:2], 4, -1).transpose(1, 2)
                for x in values[2 * i : 2 * i + 2]
            )
            scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
            if name == "mpnet":
                scores = scores + model.mpnet.encoder.compute_position_bias(scores[:, 0])
            expected[f"score_{i}"] = scores.numpy()
    np.savez_compressed(folder / "expected.npz", **expected)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    print(name, config["architectures"], sorted(p.name for p in folder.iterdir()))


if __name__ == "__main__":
    for family in FAMILIES:
        make(family)
