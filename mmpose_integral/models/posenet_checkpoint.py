"""Conversion of the PoseNet snapshots of 3DMPPE (Moon and others, ICCV 2019, arXiv 1907.11346).

Their files are dicts whose ``network`` is the state dict of a ResNet and a head with our layers and our names of them.
The volumes have 64 bins of depth, joint by joint, and the cells of an axis are where ours are. Therefore, the
conversion only selects our joints in the last layer. The configs in ``configs/3dmppe`` have the rest: the codec for
depth in mm (:class:`MetricDepthLabel`), and the normalisation of the pixels.
"""
from typing import Any

import torch

from mmpose_integral.models.official_checkpoint import HeadNames, OfficialArchitecture, convert_network, find_network

DEPTH_BINS = 64
_NAMES = HeadNames('head.deconv_layers.', 'head.final_layer.')

# Entry k is the joint of the snapshot that becomes our joint k, by the number of its joints. The 18 joints of the
# models for Human3.6M are ours. The 21 joints of those for MuCo-3DHP are: head top, thorax, right shoulder, elbow and
# wrist, the left ones, right hip, knee and ankle, the left ones, pelvis, spine, head, hands, toes. They have no nose,
# and no thorax beside the base of the neck. Our nose is their head, our head the head top, our neck their thorax.
JOINTS = {18: tuple(range(18)), 21: (14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4, 1)}


def convert_posenet(checkpoint: dict[str, Any]) -> tuple[dict[str, torch.Tensor], OfficialArchitecture, int]:
    """Convert a snapshot to the weights of our model.

    Args:
        checkpoint: Snapshot as :func:`load_official` returns it; keys with or without ``module.``.

    Returns:
        State dict of :class:`Integral3DEstimator`, its architecture, and the number of joints of the snapshot.

    Raises:
        ValueError: If keys are unknown, missing or of a wrong shape, or the joints are of another number.
    """
    weights = find_network(checkpoint)
    final = weights.get(f'{_NAMES.final}weight')
    channels = len(final) if final is not None and final.ndim else 0
    joints, rest = divmod(channels, DEPTH_BINS)
    if rest or joints not in JOINTS:
        shape = 'none' if final is None else f'one of shape {tuple(final.shape)}'
        raise ValueError(f'network: {_NAMES.final}weight with {" or ".join(map(str, JOINTS))} joints x {DEPTH_BINS} '
                         f'depth bins expected, found {shape}; is it a PoseNet snapshot of 3DMPPE?')
    for name in (f'{_NAMES.final}weight', f'{_NAMES.final}bias'):
        if name in weights and len(weights[name]) == channels:  # the conversion names others
            weights[name] = weights[name].unflatten(0, (joints, DEPTH_BINS))[list(JOINTS[joints])].flatten(0, 1)
    return *convert_network(weights, _NAMES), joints
