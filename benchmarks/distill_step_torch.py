"""The PyTorch side of `distill_step.py`: TinyBERT's intermediate stage, in its own process.

`distill_step.py` starts this file; nobody else needs to. It is a process of its own because
TensorFlow's and PyTorch's compilers cannot be loaded into one. It reads one JSON object a line
from standard input (`do`, the name of a method of `TorchStep`, and its arguments) and answers
with one line; arrays go through files.

The step is the one of Huawei's released code (arXiv 1909.10351): eager PyTorch, transformers'
BERT, batches of 32, one shared projection, scores of masked keys zeroed but counted. Where that
code leaves time lying about, this one does not: teacher without dropout, AdamW fused, no
gradient clipping, batches cut out of tensors in memory, attention scores taken from where the
layer computes them anyway.
"""

import json
import sys
import time

import numpy as np
import torch
import transformers
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface, BertConfig, BertModel
from transformers.masking_utils import eager_mask

_ATTENTION = "tinybert_scores"
# Released code takes every score at or below this for a masked one.
_MASKED_SCORE = -1e2


def _attend(module, query, key, value, attention_mask, scaling, dropout=0.0, **kwargs):
    """Attends and returns the scores before the softmax in place of the probabilities."""
    scores = torch.matmul(query * scaling, key.transpose(2, 3))
    if attention_mask is not None:
        scores = scores + attention_mask
    probabilities = functional.dropout(scores.softmax(-1), dropout, module.training)
    return torch.matmul(probabilities, value).transpose(1, 2).contiguous(), scores


class TorchStep:
    """Teacher, student, projection and AdamW, and the requests that they answer."""

    def make(self, teacher, student, mapping, learning_rate, seed, threads, folder):
        """Builds the models; writes the random student and its projection to `folder`.

        Args:
            teacher: str. A Hugging Face layout directory.
            student: dict. Arguments of `BertConfig`.
            mapping: list of int. g(0) to g(M).
            learning_rate: float.
            seed: int.
            threads: int.
            folder: str. Gets `student/` and `projection.npy` ([d', d]).
        """
        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        transformers.logging.disable_progress_bar()
        AttentionInterface.register(_ATTENTION, _attend)
        AttentionMaskInterface.register(_ATTENTION, eager_mask)
        self.mapping = mapping
        self.teacher = BertModel.from_pretrained(
            teacher, attn_implementation=_ATTENTION, local_files_only=True
        ).eval()
        # pad_token_id=None: [PAD] learns like any other row of the table, as in ours.
        self.student = BertModel(
            BertConfig(**student, pad_token_id=None, attn_implementation=_ATTENTION)
        )
        sizes = [model.config.hidden_size for model in (self.student, self.teacher)]
        self.projection = torch.nn.Linear(*sizes)
        torch.nn.init.zeros_(self.projection.bias)
        self.parameters = [*self.student.parameters(), *self.projection.parameters()]
        # Fused is four times as fast as the default on two cores.
        self.optimizer = torch.optim.AdamW(self.parameters, lr=learning_rate, fused=True)
        self.random = np.random.default_rng(seed)
        self.student.save_pretrained(f"{folder}/student")
        np.save(f"{folder}/projection.npy", self.projection.weight.detach().numpy().T)
        return {"torch": torch.__version__, "transformers": transformers.__version__}

    def save_random(self, folder, config, seed):
        """Writes a model of random weights.

        Args:
            folder: str. To write, in the Hugging Face layout.
            config: dict. Arguments of `BertConfig`.
            seed: int.
        """
        torch.manual_seed(seed)
        BertModel(BertConfig(**config)).save_pretrained(folder)
        return {}

    def load(self, file):
        """Loads the padded examples: an `.npz` of `input_ids` and so on, [examples, seq]."""
        with np.load(file) as arrays:
            self.data = {k: torch.from_numpy(v.astype("int64")) for k, v in arrays.items()}
        self.lengths = self.data["attention_mask"].sum(-1)
        return {}

    def check(self, examples, file):
        """Computes loss and gradient of the first examples, dropout off.

        Writes the teacher's activations to `file` (`.npz`).
        """
        self.student.eval()
        inputs = {k: v[:examples] for k, v in self.data.items()}
        terms, teacher = self.compute_terms(inputs)
        sum(terms.values()).backward()
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = torch.stack([g.square().sum() for g in gradients]).sum().sqrt()
        self.optimizer.zero_grad()
        np.savez(
            file,
            hidden_states=torch.stack(teacher.hidden_states).numpy(),
            attention_scores=torch.stack(teacher.attentions).numpy(),
        )
        return {
            **{name: value.item() for name, value in terms.items()},
            "loss": sum(terms.values()).item(),
            "gradient norm": norm.item(),
        }

    def warm_up(self, batch_size, bfloat16):
        """Runs a step at every length up to the longest that is a multiple of 8."""
        for length in range(8, self.data["input_ids"].shape[1] + 1, 8):
            self._train(self._random_rows(batch_size), length, bfloat16)
        return {}

    def measure(self, batch_size, seconds, to_longest, bfloat16):
        """Trains for some seconds.

        Args:
            batch_size: int.
            seconds: float. The step that passes them is the last.
            to_longest: bool. Whether a batch is cut to its longest example.
            bfloat16: bool. Whether teacher and student run under autocast.
        """
        length, steps, padded_tokens = self.data["input_ids"].shape[1], 0, 0
        started, cpu_started = time.perf_counter(), time.process_time()
        while (elapsed := time.perf_counter() - started) < seconds:
            rows = self._random_rows(batch_size)
            if to_longest:
                length = int(self.lengths[rows].max())
            self._train(rows, length, bfloat16)
            steps += 1
            padded_tokens += batch_size * length
        return {
            "examples": steps * batch_size,
            "seconds": elapsed,
            "cpu_seconds": time.process_time() - cpu_started,
            "padded_tokens": padded_tokens,
        }

    def compute_terms(self, inputs):
        """Returns the terms of the loss and the teacher's outputs."""
        inside = {"output_hidden_states": True, "output_attentions": True}
        with torch.no_grad():
            teacher = self.teacher(**inputs, **inside)
        student = self.student(**inputs, **inside)
        hidden = [
            functional.mse_loss(self.projection(h), teacher.hidden_states[g])
            for h, g in zip(student.hidden_states, self.mapping, strict=True)
        ]
        attention = [
            functional.mse_loss(_zero_masked(a), _zero_masked(teacher.attentions[g - 1]))
            for a, g in zip(student.attentions, self.mapping[1:], strict=True)
        ]
        terms = {"attention": sum(attention), "hidden": sum(hidden[1:]), "embedding": hidden[0]}
        return terms, teacher

    def _train(self, rows, length, bfloat16):
        self.student.train()
        inputs = {k: v[rows, :length] for k, v in self.data.items()}
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            terms, _ = self.compute_terms(inputs)
        sum(terms.values()).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _random_rows(self, batch_size):
        return torch.from_numpy(
            self.random.choice(len(self.lengths), batch_size, replace=False)
        )


def _zero_masked(scores):
    return scores.masked_fill(scores <= _MASKED_SCORE, 0.0)


def main():
    """Answers requests until standard input ends."""
    # What libraries print must not get between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    step = TorchStep()
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(step, request.pop("do"))(**request)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
