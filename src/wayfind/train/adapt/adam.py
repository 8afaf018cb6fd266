"""Gradient descent with step sizes of its own for each number.

Source: D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", 2015, https://arxiv.org/abs/1412.6980, Algorithm 1.
"""

from __future__ import annotations

import numpy as np


class Adam:
    """The moments of one array of numbers."""

    def __init__(self, shape: tuple[int, ...], rate: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8):
        self._rate, self._beta1, self._beta2, self._epsilon = rate, beta1, beta2, epsilon
        self._first, self._second, self._steps = np.zeros(shape), np.zeros(shape), 0

    def step(self, gradient: np.ndarray) -> np.ndarray:
        """What to take off the numbers."""
        self._steps += 1
        self._first = self._beta1 * self._first + (1 - self._beta1) * gradient
        self._second = self._beta2 * self._second + (1 - self._beta2) * gradient**2
        first = self._first / (1 - self._beta1**self._steps)
        second = self._second / (1 - self._beta2**self._steps)
        return self._rate * first / (np.sqrt(second) + self._epsilon)
