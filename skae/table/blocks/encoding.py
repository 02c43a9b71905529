"""Blocks as parts of a network: raw cells to the design matrix and back, in torch alone.

They say what `Block.encode` and `Block.decode` say, of tensors, and can be exported.
"""

import numpy as np
import torch
from torch import nn

from skae.table.blocks.base import BlockModule
from skae.table.blocks.normal import normal_cdf, normal_quantile
from skae.table.states import MISSING, OBSERVED

# Ranks are this far from 0 and 1: half a row of as many.
CLOSE = 1e-12


class NumberEncoding(nn.Module):
    """Numbers: x = (raw - center) / scale, and what a decoder's output says of raw ones.

    Parameters
    ----------
    block : NumberBlock
    shifts : ndarray of shape (n_features,)
        What is subtracted from the numbers that are given to have those that the block
        has learned: where these are distances from the first one seen, and those are not.
    largest : float
        The size to which cells in standard units are clipped.
    """

    def __init__(self, block, shifts, largest):
        super().__init__()
        self.largest = largest
        for name, values in (
            ("shifts", shifts),
            ("center", block.center),
            ("scale", block.scale),
            ("lowest", block.lowest[0]),
            ("highest", block.highest[0]),
        ):
            self.register_buffer(name, torch.from_numpy(np.array(values, np.float64)))
        self.shifted = bool(np.any(shifts))
        self.register_buffer("empty", torch.from_numpy(block.empty))
        self.any_empty = bool(block.empty.any())
        self.quantiles = None
        if block._quantiles is not None:
            self.quantiles = Quantiles(block._quantiles)
        whole = block._whole
        self.register_buffer("whole", torch.from_numpy(whole) if whole.any() else None)

    def encode(self, raw):
        """Return x and the states of the cells, both of shape (n, n_features).

        Parameters
        ----------
        raw : torch.Tensor of shape (n, n_features)
            NaN where missing.
        """
        if self.shifted:
            raw = raw - self.shifts
        missing = raw.isnan()
        if self.any_empty:
            missing = missing | self.empty
        if self.quantiles is not None:
            x = self.quantiles.transform(torch.where(missing, 0.0, raw))
        else:
            x = (raw - self.center) / self.scale
        x = torch.where(missing, 0.0, x).clamp(-self.largest, self.largest)
        return x, torch.where(missing, MISSING, OBSERVED)

    def decode(self, output):
        """Return raw numbers, whole where a frame's column holds whole ones only."""
        if self.quantiles is not None:
            raw = self.quantiles.inverse_transform(output)
        else:
            raw = output * self.scale + self.center
        if self.whole is not None:
            near = torch.minimum(torch.maximum(raw, self.lowest), self.highest).round()
            raw = torch.where(self.whole, near, raw)
        if self.any_empty:
            raw = torch.where(self.empty, torch.nan, raw)
        return raw + self.shifts if self.shifted else raw


class Quantiles(nn.Module):
    """`NormalScores`, fitted before.

    Parameters
    ----------
    fitted : NormalScores
    """

    def __init__(self, fitted):
        super().__init__()
        # Landmarks and places have the shape (n_features, n_landmarks).
        for name in ("landmarks", "places", "center", "scale"):
            values = np.ascontiguousarray(getattr(fitted, name).T)
            self.register_buffer(name, torch.from_numpy(values))

    def transform(self, raw):
        """Return the scores of numbers, (n, n_features)."""
        small = raw.abs() < torch.finfo(torch.float64).tiny
        cells = torch.where(small, 0.0, raw).T
        last = _interpolate(cells, self.landmarks, self.places)
        first = _interpolate(-cells, -self.landmarks.flip(1), -self.places.flip(1))
        scores = normal_quantile(0.5 * (last - first).T, CLOSE)
        return (scores - self.center) / self.scale

    def inverse_transform(self, x):
        """Return the numbers with these scores, (n, n_features)."""
        rank = normal_cdf(x * self.scale + self.center).T
        return _interpolate(rank, self.places, self.landmarks).T


def _interpolate(x, xp, fp):
    """Return `numpy.interp` of each row, a binary search that any graph can express.

    Parameters
    ----------
    x : torch.Tensor of shape (n_rows, n)
    xp : torch.Tensor of shape (n_rows, n_points)
        Ascending.
    fp : torch.Tensor of shape (n_rows, n_points)
    """
    n_points = xp.shape[1]
    # How many points are at most x; numpy takes the last of those that are equal.
    count = torch.zeros_like(x, dtype=torch.int64)
    step = 1 << (n_points.bit_length() - 1)
    while step:
        tried = count + step
        reached = (tried <= n_points) & (
            xp.gather(1, (tried - 1).clamp(max=n_points - 1)) <= x
        )
        count = torch.where(reached, tried, count)
        step //= 2
    left = (count - 1).clamp(0, n_points - 1)
    right = count.clamp(0, n_points - 1)
    x0, x1, f0, f1 = (points.gather(1, at) for points in (xp, fp) for at in (left, right))
    width = torch.where(x1 > x0, x1 - x0, 1.0)
    return torch.where(x1 > x0, f0 + (f1 - f0) / width * (x - x0), f0)


class LevelEncoding(BlockModule):
    """Levels: their numbers to what stands for them in the design matrix, by a table.

    Parameters
    ----------
    block : LevelBlock
    rows : list of ndarray, one per column of the block, of shape (n_levels + 2, size)
        What stands for each level that is given, for an unknown one and a missing one.
    states : list of ndarray of shape (n_levels + 2,)
        What such cells are.
    answers : list of ndarray of int
        The level that is given for each of the block's.
    """

    def __init__(self, block, rows, states, answers):
        super().__init__(block)
        self.n_given = [len(states_) - 2 for states_ in states]
        for j, tables in enumerate(zip(rows, states, answers, strict=True)):
            for name, values in zip(("rows", "states", "answers"), tables, strict=True):
                self.register_buffer(f"{name}_{j}", torch.from_numpy(values))

    def encode(self, indices):
        """Return x, of shape (n, width), and the states, of shape (n, n_features).

        Parameters
        ----------
        indices : torch.Tensor of int of shape (n, n_features)
            -1 where missing, and the number of levels or more where unknown.
        """
        parts, states = [], []
        for j, n_given in enumerate(self.n_given):
            own = indices[:, j]
            place = torch.where(own < 0, n_given + 1, own.clamp(max=n_given))
            parts.append(self._buffers[f"rows_{j}"][place])
            states.append(self._buffers[f"states_{j}"][place])
        return torch.cat(parts, dim=1), torch.stack(states, dim=1)

    def decode(self, output):
        """Return the numbers of the likeliest levels, (n, n_features) of int."""
        levels = self.block.level_numbers(output)
        columns = [
            self._buffers[f"answers_{j}"][levels[:, j]] for j in range(len(self.n_given))
        ]
        return torch.stack(columns, dim=1)
