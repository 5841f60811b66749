"""Linear maps fitted to activations in closed form, from second moments alone.

Moments are summed over batches: what is kept does not grow with the text.
"""

from typing import NamedTuple

import numpy as np
from scipy import linalg

# Of the largest eigenvalue: below it, a second moment is rounding.
_SMALLEST = 1e-7


class LinearFit:
    """Ridge regression of targets on inputs and a constant, towards given coefficients.

    Coefficients `W` [inputs + 1, targets], the constant's last, minimize
    `sum_t |y_t - W^T [x_t; 1]|^2 + penalty |W - prior|^2`, where the constant is free. The
    penalty is `prior_tokens` times the mean square of an input: so many tokens' worth. With
    little data the prior stays as it is wherever the data says nothing; with none of it left
    to explain, the prior is the solution exactly.

    Args:
        prior_tokens: float. Weight of the prior in tokens.
    """

    def __init__(self, prior_tokens: float):
        self._prior_tokens = prior_tokens
        # 0 until the first batch gives them a shape.
        self._inputs: np.ndarray = np.zeros(())
        self._products: np.ndarray = np.zeros(())
        self._count = 0

    def add(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        """Adds a batch.

        Args:
            inputs: float array [tokens, inputs].
            targets: float array [tokens, targets].
        """
        self._count += len(inputs)
        inputs = np.hstack([inputs, np.ones((len(inputs), 1), inputs.dtype)])
        self._inputs = self._inputs + (inputs.T @ inputs).astype("float64")
        self._products = self._products + (inputs.T @ targets).astype("float64")

    @property
    def count(self) -> int:
        """Tokens seen."""
        return self._count

    @property
    def input_moments(self) -> np.ndarray:
        """float64 array [inputs + 1, inputs + 1]: the mean of `[x; 1] [x; 1]^T`."""
        return self._inputs / self._count

    def solve(self, prior: np.ndarray, inputs: np.ndarray | None = None) -> np.ndarray:
        """Returns the coefficients.

        Args:
            prior: float array [inputs + 1, targets].
            inputs: int array [n] or `None`. The inputs that may be used; `None` is all.

        Returns:
            float64 array like `prior`, or [n + 1, targets].
        """
        rows = np.arange(len(self._inputs)) if inputs is None else np.append(inputs, -1)
        unexplained = self._unexplained(rows, prior)
        return prior[rows] + linalg.solve(self._penalized(rows), unexplained, assume_a="pos")

    def select(self, prior: np.ndarray, count: int) -> np.ndarray:
        """Chooses the inputs that the targets are best fitted from, by elimination.

        Again and again the inputs go that are missed least: without input i, all others
        refitted, the penalized error grows by `|w_i|^2 / (A^-1)_ii` for coefficients w and
        normal matrix A (Hassibi and Stork 1993, "Second order derivatives for network
        pruning: Optimal Brain Surgeon", eq. 5).

        Args:
            prior: float array [inputs + 1, targets].
            count: int. How many to choose, at most all.

        Returns:
            int array [count], ascending.
        """
        rows = np.arange(len(prior))
        inverse = linalg.inv(self._penalized(rows))
        unexplained = self._unexplained(rows, prior)
        while len(rows) - 1 > count:
            coefficients = prior[rows] + inverse @ unexplained
            growth = (np.square(coefficients).sum(1) / np.diag(inverse))[:-1]
            # Few at a time: what is missed changes with what is left.
            size = min(max(len(growth) // 20, 1), len(growth) - count)
            order = np.argsort(growth, kind="stable")
            gone, kept = order[:size], np.append(np.sort(order[size:]), len(growth))
            lost = self._inputs[np.ix_(rows[kept], rows[gone])] @ prior[rows[gone]]
            unexplained = unexplained[kept] + lost
            # The inverse without some rows and columns of the matrix, by blocks.
            across = inverse[np.ix_(gone, kept)]
            solved = linalg.solve(inverse[np.ix_(gone, gone)], across, assume_a="pos")
            inverse = inverse[np.ix_(kept, kept)] - across.T @ solved
            rows = rows[kept]
        return rows[:-1]

    def _unexplained(self, rows: np.ndarray, prior: np.ndarray) -> np.ndarray:
        return self._products[rows] - self._inputs[np.ix_(rows, rows)] @ prior[rows]

    def _penalized(self, rows: np.ndarray) -> np.ndarray:
        squares = np.diag(self.input_moments)[:-1]
        penalty = np.full(len(self._inputs), self._prior_tokens * squares.mean())
        penalty[-1] = 0.0
        return self._inputs[np.ix_(rows, rows)] + np.diag(penalty[rows])


class ScaleFit:
    """Ridge regression of each target on one input and a constant: `LinearFit` by dimension.

    Args:
        prior_tokens: float. Weight of the prior in tokens.
    """

    def __init__(self, prior_tokens: float):
        self._prior_tokens = prior_tokens
        self._count = 0
        self._sums: np.ndarray = np.zeros(())

    def add(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        """Adds a batch: two float arrays [tokens, dimensions]."""
        x, y = inputs.astype("float64"), targets.astype("float64")
        self._count += len(x)
        self._sums = self._sums + np.stack([x, y, x * x, x * y]).sum(1)

    def solve(self, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns scales and constants.

        Args:
            prior: float array [dimensions]. The scales it tends to.

        Returns:
            two float64 arrays [dimensions].
        """
        x, y, squares, products = self._sums / self._count
        penalty = self._prior_tokens / self._count * squares.mean()
        scale = (products - x * y + penalty * prior) / (squares - x * x + penalty)
        return scale, y - scale * x


class Whitening(NamedTuple):
    """The symmetric square root of a matrix of second moments, and its inverse."""

    root: np.ndarray
    inverse: np.ndarray

    @classmethod
    def of(cls, moments: np.ndarray) -> "Whitening":
        """Makes one of second moments [n, n], which may be singular.

        They mostly are: what LayerNorm gives lies in a plane.
        """
        values, vectors = np.linalg.eigh(moments)
        roots = np.sqrt(np.maximum(values, _SMALLEST * values[-1]))
        return cls((vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T)


def factorize(
    left: np.ndarray,
    right: np.ndarray,
    left_whitening: Whitening,
    right_whitening: Whitening,
    ranks: range,
) -> tuple[np.ndarray, np.ndarray]:
    """Splits a form of low rank, `x^T left right^T y`, into factors of another rank.

    The factors minimize `E (x^T left right^T y - x^T a b^T y)^2` for independent x and y of
    given second moments: a truncated SVD in coordinates in which both are white.

    Args:
        left: float array [n, r].
        right: float array [m, r].
        left_whitening: `Whitening` of E x x^T [n, n].
        right_whitening: `Whitening` of E y y^T [m, m].
        ranks: range. Which singular directions to take. Those beyond the form's rank get
            zeros on the right and small random numbers on the left: the form is the same and
            both sides can still learn.

    Returns:
        `(a, b)`, float64 arrays [n, len(ranks)] and [m, len(ranks)].
    """
    # Thin QRs first: the SVD is then of a matrix of head size, not of hidden size.
    left_basis, left_rest = np.linalg.qr(left_whitening.root @ left)
    right_basis, right_rest = np.linalg.qr(right_whitening.root @ right)
    u, s, vt = np.linalg.svd(left_rest @ right_rest.T)
    taken = slice(ranks.start, ranks.stop)
    u, root, v = u[:, taken], np.sqrt(s[taken]), vt[taken].T
    a = left_whitening.inverse @ left_basis @ (u * root)
    b = right_whitening.inverse @ right_basis @ (v * root)
    missing = len(ranks) - len(root)
    noise = np.random.default_rng(0).normal(0.0, 0.02, (len(left), missing))
    return np.hstack([a, noise]), np.hstack([b, np.zeros((len(right), missing))])
