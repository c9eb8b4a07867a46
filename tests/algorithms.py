"""3x3 convolutions as libraries may compute them: by intermediates that are no integers."""

import numpy as np


def winograd(x, kernel):
    """F(4x4, 3x3) in float32 (Lavin & Gray 2016, arXiv:1509.09308): as cuDNN may compute it."""
    b = np.array(
        [
            [4, 0, -5, 0, 1, 0],
            [0, -4, -4, 1, 1, 0],
            [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0],
            [0, 2, -1, -2, 1, 0],
            [0, 4, 0, -5, 0, 1],
        ],
        np.float32,
    )
    g = np.array(
        [
            [1 / 4, 0, 0],
            [-1 / 6, -1 / 6, -1 / 6],
            [-1 / 6, 1 / 6, -1 / 6],
            [1 / 24, 1 / 12, 1 / 6],
            [1 / 24, -1 / 12, 1 / 6],
            [0, 0, 1],
        ],
        np.float32,
    )
    a = np.array(
        [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
        np.float32,
    )
    n, height, width, _ = x.shape
    x = np.pad(x, ((0, 0), (1, 1 + -height % 4 + 2), (1, 1 + -width % 4 + 2), (0, 0)))
    u = np.einsum("ap,pqio,bq->abio", g, kernel, g)
    out = np.zeros((n, height + -height % 4, width + -width % 4, kernel.shape[3]), np.float32)
    for i in range(0, height, 4):
        for j in range(0, width, 4):
            tile = x[:, i : i + 6, j : j + 6]
            v = np.einsum("ap,npqi,bq->nabi", b, tile, b)
            m = np.einsum("nabi,abio->nabo", v, u)
            out[:, i : i + 4, j : j + 4] = np.einsum("pa,nabo,qb->npqo", a, m, a)
    return out[:, :height, :width]


def fft(x, kernel):
    """Through the frequency domain, in complex64."""
    height, width = x.shape[1:3]
    shape = (height + 2, width + 2)
    fx = np.fft.rfft2(x, shape, axes=(1, 2)).astype(np.complex64)
    fk = np.fft.rfft2(kernel[::-1, ::-1], shape, axes=(0, 1)).astype(np.complex64)
    product = np.einsum("nhwi,hwio->nhwo", fx, fk).astype(np.complex64)
    full = np.fft.irfft2(product, shape, axes=(1, 2)).astype(np.float32)
    return full[:, 1 : 1 + height, 1 : 1 + width]
