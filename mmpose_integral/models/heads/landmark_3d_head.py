from typing import cast

import torch
from mmengine.structures import InstanceData
from mmpose.registry import KEYPOINT_CODECS, MODELS
from mmpose.structures import PoseDataSample
from mmpose.utils.tensor_utils import to_numpy
from torch import nn

from mmpose_integral.models.backbones.blazepose import NUM_LANDMARKS
from mmpose_integral.models.heads.coordinate_head import Coordinate3DHead, Coordinates, FeatureMaps, std_layers, to_std
from mmpose_integral.models.losses import std_loss
from mmpose_integral.ops import soft_argmax_3d
from mmpose_integral.structures.landmarks import LANDMARK_NAMES, landmark_weights

_HIPS = [LANDMARK_NAMES.index(f'{side}_hip') for side in ('left', 'right')]
_CIRCLE = slice(len(LANDMARK_NAMES), len(LANDMARK_NAMES) + 2)  # maps of the circle around the person
_PX_PER_METRE = (0.08, 1.6)  # limits of the scale, as a share of the crop's width
_LARGEST_FEATURE = 6.0  # standard deviations


@MODELS.register_module()
class Landmark3DHead(Coordinate3DHead):
    """Our joints from the heat maps and world landmarks of :class:`BlazePoseBackbone`, whose weights are frozen.

    A first estimate has no weights: x and y are integrals of the heat maps, and z is that of the world landmarks, which
    are scaled to the size of the person in the crop. :func:`landmark_weights` maps landmarks to joints. A small network
    then corrects all three coordinates. Its inputs are the estimated x and y, the maxima of the heat maps, and all
    world landmarks. It does not see the picture, so that it can be trained with rendered people.

    Args:
        num_joints: Number of joints, K; the map exists for 18.
        hidden_channels: Width of the two hidden layers of the correction.
        dropout: Probability of dropout in the correction.
        sharpness: Factor of the heat maps' logits. The integral of the unscaled maps is drawn to the middle of the
            crop, because their background is not 0.
        std_channels: Width of the hidden layer that predicts the standard deviations (:func:`std_loss`).
        loss: Config of the loss, as in :class:`Integral3DHead`.
        decoder: Config of the codec, :class:`Integral3DLabel`.
        backend: Backend of :func:`soft_argmax_3d`.
    """

    def __init__(self, num_joints: int = 18, hidden_channels: int = 256, dropout: float = 0.3, sharpness: float = 8.0,
                 std_channels: int = 64, loss: dict | None = None, *, decoder: dict,
                 backend: str = 'auto') -> None:
        super().__init__()
        self.num_joints, self.sharpness, self.backend = num_joints, sharpness, backend
        self.loss_module = MODELS.build(loss or dict(type='CoordinateL1Loss'))
        self.decoder = KEYPOINT_CODECS.build(decoder)
        self.register_buffer('joint_weights', torch.tensor(landmark_weights(), dtype=torch.float32), persistent=False)
        num_features = num_joints * 3 + NUM_LANDMARKS * 3
        self.standardize = nn.BatchNorm1d(num_features, affine=False)
        self.correction = nn.Sequential(
            nn.Linear(num_features, hidden_channels), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden_channels, hidden_channels), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden_channels, num_joints * 3))
        self.std_layers = std_layers(num_features, std_channels, num_joints)

    def init_weights(self) -> None:
        """Start at the first estimate."""
        nn.init.zeros_(self.correction[-1].weight)
        nn.init.zeros_(self.correction[-1].bias)

    def estimate(self, feats: FeatureMaps) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the first estimate and the features for its correction.

        Args:
            feats: Heat maps (B, 39, h, w), logits, and world landmarks (B, 117, 1, 1), metres.

        Returns:
            (B, K, 3), normalised x, y and z, and (B, 3 K + 117).
        """
        heatmaps, world = feats[0][:, :len(LANDMARK_NAMES)].float(), feats[1].flatten(1).unflatten(1, (-1, 3)).float()
        landmarks, size = self._integrate(heatmaps), heatmaps.new_tensor(self.decoder.input_size)
        world = world - world[:, _HIPS].mean(1, keepdim=True)
        flat, deep = self.joint_weights @ landmarks, self.joint_weights @ world[:, :len(LANDMARK_NAMES)]
        across = (deep[..., :2]).square().sum((1, 2)).clamp(min=1e-6)
        from_root = (flat - flat[:, :1]) * (size / size[0])  # shares of the width, as z is
        scale = ((from_root * deep[..., :2]).sum((1, 2)) / across).clamp(*_PX_PER_METRE)[:, None]
        first = torch.cat([flat, (scale * deep[..., 2] + 0.5)[..., None]], dim=-1)
        peaks = heatmaps.amax((2, 3)) @ self.joint_weights.T
        features = torch.cat([flat.flatten(1), peaks, (scale[..., None] * world).flatten(1)], dim=1)
        return first, self.standardize(features).clamp(-_LARGEST_FEATURE, _LARGEST_FEATURE)

    def _integrate(self, heatmaps: torch.Tensor) -> torch.Tensor:
        """Points (B, N, 2), normalised, of heat maps (B, N, h, w), logits."""
        points = cast(torch.Tensor, soft_argmax_3d(self.sharpness * heatmaps[:, :, None], self.backend))[..., :2]
        # A cell of a map is in the middle of its stride, not at its start, where the grid of the integral is.
        height, width = heatmaps.shape[2:]
        return points + 0.5 / points.new_tensor([width, height]) - 0.5 / points.new_tensor(self.decoder.input_size)

    def forward(self, feats: FeatureMaps, return_std: bool = False) -> Coordinates:
        """Predict (B, K, 3), normalised, float32, and, with ``return_std``, standard deviations of the same shape."""
        first, features = self.estimate(feats)
        mean = first + self.correction(features).unflatten(1, (-1, 3))
        return (mean, to_std(self.std_layers(features))) if return_std else mean

    def predict(self, feats: FeatureMaps | list[FeatureMaps], batch_data_samples: list[PoseDataSample],
                test_cfg: dict | None = None) -> list[InstanceData]:
        """Predict as :meth:`Coordinate3DHead.predict`, and two further fields, both from the plain crop.

        ``crop_scores`` (1,) is the mean over the maxima of the heat maps. These logits are high where the network
        recognises a person who stands upright in the crop. ``person_circles`` (1, 3) is the circle around the whole
        person, x, y and radius in input px: the network has one map for its centre, between the hips, and one for a
        point on it. It was trained with crops around this circle.
        """
        preds = super().predict(feats, batch_data_samples, test_cfg)
        plain = cast(FeatureMaps, feats[0] if (test_cfg or {}).get('flip_test', False) else feats)
        heatmaps = plain[0].float()
        scores = to_numpy(heatmaps[:, :len(LANDMARK_NAMES)].amax((2, 3)).mean(1, keepdim=True))
        points = self._integrate(heatmaps[:, _CIRCLE]) * heatmaps.new_tensor(self.decoder.input_size)
        radius = (points[:, 1] - points[:, 0]).norm(dim=-1, keepdim=True)
        circles = to_numpy(torch.cat([points[:, 0], radius], dim=-1))
        for pred, score, circle in zip(preds, scores, circles, strict=True):
            pred.crop_scores, pred.person_circles = score, circle[None]
        return preds

    def loss(self, feats: FeatureMaps, batch_data_samples: list[PoseDataSample],
             train_cfg: dict | None = None) -> dict[str, torch.Tensor]:
        """Compute the losses of :meth:`Coordinate3DHead.loss`, and ``loss_std``."""
        labels, weights = self.gather_labels(batch_data_samples)
        mean, std = self.forward(feats, return_std=True)
        return dict(self.coordinate_loss(mean, labels, weights), loss_std=std_loss(std, mean, labels, weights))
