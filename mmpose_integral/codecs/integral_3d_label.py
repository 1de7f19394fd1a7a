"""Codec between input pixels and the normalised coordinates that the network regresses.

Frames: input px = pixels of the crop, z in the same px with the root at 0. Normalised = x / W, y / H, z / W + 0.5,
so that the root's depth lies in the middle of the volume. Another depth range than W is an option.
"""
import numpy as np
from mmpose.codecs.base import BaseKeypointCodec
from mmpose.registry import KEYPOINT_CODECS

# Standard deviation of the uniform distribution on [0, 1], which a flat volume has on each axis.
FLAT_STD = 1 / np.sqrt(12)


@KEYPOINT_CODECS.register_module()
class Integral3DLabel(BaseKeypointCodec):
    """Conversion between input px and normalised x, y, z, with a weight for each coordinate.

    Labels are not bounded: a joint outside the crop stays supervised, as in the paper.

    Args:
        input_size: (W, H) of the model's input, px.
        depth_range: Depth that the volume covers, input px, from half of it before the root to half of it behind.
            Default: W. A crop of 288x384 covers a quarter less depth than one of 256x256 then; 384 covers more.
    """

    label_mapping_table = dict(keypoint_labels='keypoint_labels', keypoint_weights='keypoint_weights')

    def __init__(self, input_size: tuple[int, int], depth_range: float | None = None) -> None:
        if len(input_size) != 2 or min(input_size) <= 0:
            raise ValueError(f'input_size: two positive numbers (W, H) expected, got {input_size}')
        self.input_size = width, height = tuple(input_size)
        if depth_range is not None and not depth_range > 0:
            raise ValueError(f'depth_range: a positive number of input px expected, got {depth_range}')
        self._unit = np.array([width, height, depth_range or width], dtype=np.float32)
        self._offset = np.array([0, 0, 0.5], dtype=np.float32)

    def encode(self, keypoints: np.ndarray, keypoints_visible: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Convert input px to labels and weights.

        Args:
            keypoints: (1, K, 3), input px, z = 0 at the root.
            keypoints_visible: (1, K) for whole joints or (1, K, 3) for single coordinates; those above 0 are
                supervised. Default: all are.

        Returns:
            ``keypoint_labels`` (1, K, 3), normalised, and ``keypoint_weights`` (1, K, 3) of 0 and 1, both float32.

        Raises:
            ValueError: If a shape is not as above.
        """
        if keypoints.ndim != 3 or keypoints.shape[-1] != 3:
            raise ValueError(f'keypoints: shape (1, K, 3) expected, got {keypoints.shape}; 2D samples need '
                             'KeypointConverter3D in their pipeline')
        if keypoints_visible is None:
            keypoints_visible = np.ones(keypoints.shape[:2], dtype=np.float32)
        if keypoints_visible.shape == keypoints.shape[:2]:
            keypoints_visible = keypoints_visible[..., None]
        elif keypoints_visible.shape != keypoints.shape:
            raise ValueError(f'keypoints_visible: shape {keypoints.shape[:2]} or {keypoints.shape} expected, '
                             f'got {keypoints_visible.shape}')
        weights = np.broadcast_to(keypoints_visible > 0, keypoints.shape).astype(np.float32)
        labels = (keypoints / self._unit + self._offset).astype(np.float32)
        return dict(keypoint_labels=labels, keypoint_weights=weights)

    def decode(self, encoded: np.ndarray, std: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Convert normalised coordinates to input px, and give each joint a score.

        Args:
            encoded: (N, K, 3), normalised x, y, z.
            std: (N, K, 3), normalised standard deviation of each axis' marginal.

        Returns:
            Keypoints (N, K, 3), input px, and scores (N, K). A score is exp(-4 (s / 0.2887)^2), where s is the mean std
            of the three axes: 1 for a spike, 0.018 for a flat volume. Without ``std`` all scores are 1.
        """
        keypoints = (encoded - self._offset) * self._unit
        if std is None:
            return keypoints, np.ones(encoded.shape[:2], dtype=np.float32)
        return keypoints, np.exp(-4 * (std.mean(-1) / FLAT_STD)**2).astype(np.float32)

    def decode_std(self, std: np.ndarray) -> np.ndarray:
        """Convert standard deviations (N, K, 3) from normalised units to input px."""
        return std * self._unit


@KEYPOINT_CODECS.register_module()
class Integral2DLabel(Integral3DLabel):
    """Codec for 2D joints without depth, for :class:`Integral3DHead` with one depth bin; see the base class."""

    def encode(self, keypoints: np.ndarray, keypoints_visible: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Convert input px (1, K, 2) to labels and weights (1, K, 3) as the base class does; the weight of z is 0."""
        if keypoints.ndim != 3 or keypoints.shape[-1] != 2:
            raise ValueError(f'keypoints: shape (1, K, 2) expected, got {keypoints.shape}')
        encoded = super().encode(np.pad(keypoints, ((0, 0), (0, 0), (0, 1))), keypoints_visible)
        encoded['keypoint_weights'][..., 2] = 0
        return encoded

    def decode(self, encoded: np.ndarray, std: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Convert normalised (N, K, 3) to input px (N, K, 2), and compute scores (N, K) from the std in x and y."""
        keypoints, scores = super().decode(encoded, None if std is None else std[..., :2])
        return keypoints[..., :2], scores
