"""Closed forms against scikit-learn, numpy and what can be tried out."""

import numpy as np
import pytest
from scipy import linalg
from sklearn.linear_model import Ridge

from tinybert_tf.distillation._least_squares import LinearFit, ScaleFit, Whitening, factorize


def make_data(tokens=60, inputs=7, targets=3, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(1.0, 1.0, (tokens, inputs)) @ random.normal(0.0, 1.0, (inputs, inputs))
    return x, random.normal(0.0, 1.0, (tokens, targets)) + x[:, :targets]


def fitted(x, y, prior_tokens):
    fit = LinearFit(prior_tokens)
    for part in np.array_split(np.arange(len(x)), 3):
        fit.add(x[part], y[part])
    return fit


def test_linear_fit_is_ridge_regression_of_what_the_prior_leaves():
    x, y = make_data()
    prior = np.random.default_rng(1).normal(0.0, 1.0, (8, 3))
    ridge = Ridge(alpha=5.0 * np.square(x).mean()).fit(x, y - x @ prior[:-1])
    coefficients = fitted(x, y, 5.0).solve(prior)
    np.testing.assert_allclose(coefficients[:-1], prior[:-1] + ridge.coef_.T)
    np.testing.assert_allclose(coefficients[-1], ridge.intercept_)


def test_what_the_prior_explains_is_left_as_it_is():
    x, _ = make_data(tokens=3)
    prior = np.random.default_rng(1).normal(0.0, 1.0, (8, 3))
    y = x @ prior[:-1] + prior[-1]
    np.testing.assert_allclose(fitted(x, y, 5.0).solve(prior), prior)


def test_moments_are_means_over_tokens():
    fit = LinearFit(1.0)
    fit.add(np.array([[1.0], [3.0]]), np.zeros((2, 1)))
    fit.add(np.array([[5.0]]), np.zeros((1, 1)))
    # (1 + 9 + 25) / 3 and (1 + 3 + 5) / 3
    np.testing.assert_allclose(fit.input_moments, [[35 / 3, 3], [3, 1]])
    assert fit.count == 3


def test_selection_drops_the_input_that_is_missed_least():
    for seed in range(5):
        x, y = make_data(seed=seed)

        def error(kept, x=x, y=y):
            inputs = np.hstack([x[:, kept], np.ones((len(x), 1))])
            return np.square(y - inputs @ np.linalg.lstsq(inputs, y, rcond=None)[0]).sum()

        rest = [[i for i in range(7) if i != dropped] for dropped in range(7)]
        chosen = fitted(x, y, 0.0).select(np.zeros((8, 3)), 6)
        assert chosen.tolist() == min(rest, key=error)


def test_selection_keeps_one_of_two_that_are_alike():
    random = np.random.default_rng(0)
    x = random.normal(0.0, 1.0, (200, 3))
    y = 3.0 * x[:, :1] + x[:, 1:2] + 0.5 * x[:, 2:]
    # The largest twice: by size both would be kept before the smallest.
    twice = np.hstack([x, x[:, :1] + random.normal(0.0, 0.01, (200, 1))])
    chosen = fitted(twice, y, 0.1).select(np.zeros((5, 1)), 3)
    assert {1, 2} < set(chosen.tolist())


def test_scale_fit_is_a_line_in_each_dimension():
    x, y = make_data(inputs=3)
    fit = ScaleFit(0.0)
    fit.add(x[:20], y[:20])
    fit.add(x[20:], y[20:])
    scale, shift = fit.solve(np.ones(3))
    for i in range(3):
        assert (scale[i], shift[i]) == pytest.approx(np.polyfit(x[:, i], y[:, i], 1))


def test_scale_fit_without_data_is_its_prior():
    fit = ScaleFit(1e12)
    fit.add(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 5.0], [9.0, 5.0]]))
    scale, shift = fit.solve(np.array([0.5, 2.0]))
    np.testing.assert_allclose(scale, [0.5, 2.0])
    # Means 7 and 5 less scale times means 2 and 3.
    np.testing.assert_allclose(shift, [6.0, -1.0])


def make_form(seed=0):
    random = np.random.default_rng(seed)
    left, right = random.normal(0.0, 1.0, (6, 4)), random.normal(0.0, 1.0, (5, 4))
    moments = [linalg.circulant([3.0, 1.0, *[0.0] * (n - 3), 1.0]) for n in (6, 5)]
    return left, right, *moments


def test_factors_are_the_best_of_their_rank_where_inputs_are_white():
    left, right, *_ = make_form()
    a, b = factorize(left, right, *map(Whitening.of, (np.eye(6), np.eye(5))), range(2))
    u, s, vt = np.linalg.svd(left @ right.T)
    np.testing.assert_allclose(a @ b.T, (u[:, :2] * s[:2]) @ vt[:2], atol=1e-5)


def test_factors_are_the_best_of_their_rank_for_the_inputs_moments():
    left, right, *moments = make_form()
    a, b = factorize(left, right, *map(Whitening.of, moments), range(2))
    roots = [linalg.sqrtm(m) for m in moments]
    u, s, vt = np.linalg.svd(roots[0] @ left @ right.T @ roots[1])
    best = np.linalg.inv(roots[0]) @ (u[:, :2] * s[:2]) @ vt[:2] @ np.linalg.inv(roots[1])
    np.testing.assert_allclose(a @ b.T, best, atol=1e-5)


def test_parts_of_a_form_add_up_to_it():
    left, right, *moments = make_form()
    parts = [
        factorize(left, right, *map(Whitening.of, moments), ranks)
        for ranks in (range(2), range(2, 4))
    ]
    np.testing.assert_allclose(sum(a @ b.T for a, b in parts), left @ right.T, atol=1e-8)


def test_ranks_beyond_the_form_s_leave_it_and_can_learn():
    left, right, *moments = make_form()
    a, b = factorize(left, right, *map(Whitening.of, moments), range(6))
    np.testing.assert_allclose(a @ b.T, left @ right.T, atol=1e-8)
    assert np.abs(a[:, 4:]).min() > 0
    np.testing.assert_array_equal(b[:, 4:], 0.0)


def test_moments_may_be_singular():
    left, right, *moments = make_form()
    moments[0] = np.diag([1.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    a, b = factorize(left, right, *map(Whitening.of, moments), range(4))
    np.testing.assert_allclose((a @ b.T)[:4], (left @ right.T)[:4], atol=1e-4)
