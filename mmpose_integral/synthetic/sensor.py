"""Effects of lens and sensor: blur, vignetting, noise."""
import functools

import cv2
import numpy as np

_TILE = 512


@functools.lru_cache(maxsize=1)
def _noise_tile() -> np.ndarray:
    """Fixed Gaussian noise, (2 * _TILE, 2 * _TILE, 3) float32, with unit standard deviation and period _TILE."""
    tile = np.random.default_rng(11).standard_normal((_TILE, _TILE, 3), dtype=np.float32)
    return np.tile(tile, (2, 2, 1))


@functools.lru_cache(maxsize=32)
def _vignette(width: int, height: int) -> np.ndarray:
    """Brightness of the lens over the image, (h, w, 3): 1 in the middle, 0.86 in the corners."""
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    return cv2.merge([1 - 0.07 * (x[None] ** 2 + y[:, None] ** 2)] * 3)


def expose(image: np.ndarray, rng: np.random.Generator, noise: float = 2.0, blur: float = 0.0,
           gain: float = 1.0) -> np.ndarray:
    """Photograph of an ideal image.

    Args:
        image: (H, W, 3) uint8.
        rng: Source of the noise's position and of a small variation of the exposure.
        noise: Standard deviation, grey levels.
        blur: Standard deviation, px.
        gain: Exposure; 1 keeps the brightness.

    Returns:
        (H, W, 3) uint8.
    """
    height, width = image.shape[:2]
    if blur > 0.2:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    gain = gain * rng.uniform(0.95, 1.05)
    x, y = rng.integers(0, _TILE, 2)
    repeat = -(-max(height, width) // _TILE)
    tile = _noise_tile() if repeat == 1 else np.tile(_noise_tile(), (repeat, repeat, 1))
    tile = np.ascontiguousarray(tile[y:y + height, x:x + width])
    out = cv2.multiply(image, _vignette(width, height), scale=gain, dtype=cv2.CV_32F)
    return cv2.scaleAdd(tile, noise, out).clip(0, 255).astype(np.uint8)
