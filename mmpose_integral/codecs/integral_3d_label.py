"""Codec between input pixels and the normalised coordinates that the network regresses.

Frames: input px = pixels of the crop, z in the same px with the root at 0. Normalised = x / W, y / H, z / W + 0.5,
so that the root's depth lies in the middle of the volume. Another depth range than W is an option, in px or in mm.
"""
import numpy as np
from mmpose.codecs.base import BaseKeypointCodec
from mmpose.registry import KEYPOINT_CODECS

from mmpose_integral.structures.bone_length import PUBLISHED_SKELETON_LENGTHS, mm_per_px_of_depth, skeleton_length

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
        width, height = self.input_size = (input_size[0], input_size[1])
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
        labels = (keypoints / self._unit_of_labels(keypoints) + self._offset).astype(np.float32)
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
        keypoints = (encoded - self._offset) * self._unit_of_output(encoded)
        if std is None:
            return keypoints, np.ones(encoded.shape[:2], dtype=np.float32)
        return keypoints, np.exp(-4 * (std.mean(-1) / FLAT_STD)**2).astype(np.float32)

    def decode_std(self, std: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        """Convert standard deviations (N, K, 3) of the coordinates ``encoded`` from normalised units to input px."""
        return std * self._unit_of_output(encoded)

    def _unit_of_labels(self, keypoints: np.ndarray) -> np.ndarray:
        """Input px per normalised unit, (3,) or (N, 1, 3), of keypoints in input px."""
        return self._unit

    def _unit_of_output(self, encoded: np.ndarray) -> np.ndarray:
        """Input px per normalised unit, (3,) or (N, 1, 3), of normalised coordinates."""
        return self._unit


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


@KEYPOINT_CODECS.register_module()
class MetricDepthLabel(Integral3DLabel):
    """Codec for volumes whose depth is in mm, as those of 3DMPPE (arXiv 1907.11346): z / ``depth_range_mm`` + 0.5.

    A crop does not show how many mm a px is. Here, the total bone length of an average person determines it: it is the
    scale at which x, y and the depths in mm give a skeleton of this length, as a weak-perspective camera sees it. With
    this scale, z in mm becomes z in input px, and the reverse. :func:`px_to_mm` with the same bone length and weak
    perspective returns the depths of the volume unchanged; with another bone length, they change by the same factor as
    x and y.

    Args:
        input_size: (W, H) of the model's input, px.
        depth_range_mm: Depth that the volume covers, from half of it before the root to half of it behind.
        bone_length: Total skeleton length of an average person, mm. Default: the published mean of train+val.
    """

    largest_depth = 0.75
    """Limit of the decoded z, as a share of W. Wrong predictions may be deeper than a person is long. With this limit,
    they are in front of the camera for a field of view of 55 degrees, in every crop of the image enlarged by 1.25."""

    def __init__(self, input_size: tuple[int, int], depth_range_mm: float = 2000.0,
                 bone_length: float = PUBLISHED_SKELETON_LENGTHS['train+val']) -> None:
        for name, value in (('depth_range_mm', depth_range_mm), ('bone_length', bone_length)):
            if not value > 0:
                raise ValueError(f'{name}: a positive number of mm expected, got {value}')
        super().__init__(input_size, depth_range_mm)
        self.depth_range_mm, self.bone_length = depth_range_mm, bone_length
        self.largest_depth_px = self.largest_depth * self.input_size[0]

    def _unit_of_labels(self, keypoints: np.ndarray) -> np.ndarray:
        length = skeleton_length(keypoints)  # 0 for a sample without joints, whose labels have no weight
        return self._unit_at(self.bone_length / np.where(length > 0, length, np.nan))

    def _unit_of_output(self, encoded: np.ndarray) -> np.ndarray:
        x, y, z = np.moveaxis((encoded - self._offset) * self._unit, -1, 0)
        return self._unit_at(mm_per_px_of_depth(np.stack([x, y], -1), z, self.bone_length, self.largest_depth_px))

    def _unit_at(self, mm_per_px: np.ndarray) -> np.ndarray:
        """Unit (N, 1, 3) of poses at a scale (N,)."""
        unit = np.tile(self._unit, (*mm_per_px.shape, 1, 1))
        unit[..., 2] /= mm_per_px[..., None]
        return unit
