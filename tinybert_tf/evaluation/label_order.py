"""Whether a classifier's outputs stand in another order than the labels."""

import math

import numpy as np
from scipy import optimize, stats

# How probable an accident may be. By accident, an order seems better in one run of a hundred
# in which no order is; where the task's own is right, that is far less probable.
_ACCIDENT = 0.01


def find_better_order(labels: np.ndarray, answers: np.ndarray, num_labels: int) -> list | None:
    """Finds an order of the outputs in which far more answers are right.

    The order is the one that most answers of the confusion matrix fit (a linear assignment).
    Its gain and its loss are the answers that are right in it alone, and in the task's order
    alone. If neither order was better, each of these would be a coin toss. The order counts
    if so many heads are improbable (a sign test), also with regard to all the orders that
    move as many labels, of which the best was taken (Bonferroni).

    Args:
        labels: int array [examples].
        answers: int array [examples]. The output with the largest score.
        num_labels: int. How many labels there are.

    Returns:
        list of int or `None`. For each output, the label that it most probably stands for;
        `None` if there is no reason to think that it is another than its own.
    """
    confusion = np.zeros((num_labels, num_labels), np.int64)
    np.add.at(confusion, (labels, answers), 1)
    meant, outputs = optimize.linear_sum_assignment(confusion, maximize=True)
    order = np.empty(num_labels, np.int64)
    order[outputs] = meant
    moved = np.flatnonzero(order != np.arange(num_labels))
    gain = int(confusion[order[moved], moved].sum())
    loss = int(confusion[moved, moved].sum())
    accident = stats.binom.sf(gain - 1, gain + loss, 0.5) * math.perm(num_labels, len(moved))
    return order.tolist() if len(moved) and accident < _ACCIDENT else None
