"""From features to the integral without a volume: the last 1x1 convolution and the soft-argmax as one operation.

With w_d the rows of the convolution's weights that belong to one joint, the integral is attention: queries w_d, keys
the features f_p of the pixels, a softmax over all pairs (d, p), and the pair's coordinates as values. As in attention,
the logits need not exist: they are made in tiles, forward and again backward. Frames and grid are those of
:mod:`mmpose_integral.ops.soft_argmax`. (The name follows the fused linear cross-entropies of language models.)
"""
import torch

from .linear_soft_argmax_chunked import linear_soft_argmax_chunked
from .soft_argmax import axis_grid, soft_argmax_reference, statistics_dtype


def linear_soft_argmax_reference(features, weight, bias, grids, num_joints):
    """A volume and its integral, in plain autograd.

    Args:
        features (torch.Tensor): (B, C, H * W).
        weight (torch.Tensor): (K * D, C); row k * D + d is depth bin d of joint k.
        bias (torch.Tensor): (K * D,).
        grids (tuple[torch.Tensor]): positions along x (W,), y (H,), z (D,), in the statistics' type.
        num_joints (int): K.

    Returns:
        tuple[torch.Tensor]: mean and std, each (B, K, 3) as x, y, z.
    """
    logits = torch.nn.functional.conv1d(features, weight[..., None], bias)
    return soft_argmax_reference(logits.view(len(features), num_joints, *map(len, reversed(grids))), grids)


def _triton(features, weight, bias, grids, num_joints):
    """The Triton kernels; Triton is imported when it is first asked for."""
    try:
        from .linear_soft_argmax_triton import linear_soft_argmax_triton
    except ImportError as error:
        raise RuntimeError(f"backend 'triton': Triton cannot be imported ({error}); it comes with torch's CUDA builds "
                           "on Linux. 'auto' chooses a backend that can run") from error
    return linear_soft_argmax_triton(features, weight, bias, grids, num_joints)


BACKENDS = dict(reference=linear_soft_argmax_reference, chunked=linear_soft_argmax_chunked, triton=_triton)


def _check(features, weight, bias, num_joints):
    """Refuse what does not fit together; see :func:`linear_soft_argmax_3d`."""
    if features.ndim != 4 or 0 in features.shape[1:]:
        raise ValueError(f'features: shape (B, C, H, W) with C, H, W > 0 expected, got {tuple(features.shape)}')
    if weight.ndim not in (2, 4) or weight.shape[1:] not in (features.shape[1:2], (features.shape[1], 1, 1)):
        raise ValueError(f'weight: shape (K * D, C) or (K * D, C, 1, 1) with the C = {features.shape[1]} of the '
                         f'features expected, got {tuple(weight.shape)}')
    if isinstance(num_joints, bool) or not isinstance(num_joints, int) or num_joints < 1:
        raise ValueError(f'num_joints: an integer above 0 expected, got {num_joints!r}')
    if not len(weight) or len(weight) % num_joints:
        raise ValueError(f'weight: a multiple of num_joints = {num_joints} rows expected, got {len(weight)}')
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f'bias: shape ({len(weight)},) as the weight has rows expected, got {tuple(bias.shape)}')
    for name, one in (('features', features), ('weight', weight), ('bias', bias)):
        if one is not None and not one.is_floating_point():
            raise ValueError(f'{name}: a floating type expected, got {one.dtype}')
        if one is not None and one.device != features.device:
            raise ValueError(f'{name}: the device of the features, {features.device}, expected, got {one.device}')


def _to_one_type(features, weight, bias):
    """All in the type in which a convolution would run here: autocast's, else the one that they share."""
    device = features.device.type
    tensors = [one for one in (features, weight, bias) if one is not None]
    if torch.is_autocast_enabled(device):  # leaves float64 alone
        low = torch.get_autocast_dtype(device)
        tensors = [one if one.dtype == torch.float64 else one.to(low) for one in tensors]
    if len({one.dtype for one in tensors}) > 1:
        raise ValueError(f'features, weight, bias: one type for all expected outside autocast, got '
                         f'{", ".join(str(one.dtype) for one in tensors)}')
    return (*tensors, None) if bias is None else tuple(tensors)


def linear_soft_argmax_3d(features, weight, bias, num_joints, backend='auto', return_std=False):
    r"""Integral of the volumes that a 1x1 convolution would make of features, without these volumes.

    .. math:: (x, y, z) = \sum_{d,h,w} \mathrm{softmax}_{dhw}(w_d \cdot f_{hw} + b_d) \, (w/W, h/H, d/D)

    It equals ``soft_argmax_3d(conv2d(features, weight, bias).unflatten(1, (K, D)))`` with gradients of features,
    weight and bias, while neither the logits (B, K, D, H, W) nor their gradient ever exist as a whole. On a GPU,
    float32 follows ``torch.backends.cuda.matmul.allow_tf32``, which is off unless set, not the convolutions' switch.

    Args:
        features (torch.Tensor): (B, C, H, W), any floating type, any strides.
        weight (torch.Tensor): (K * D, C) or (K * D, C, 1, 1); row k * D + d is depth bin d of joint k.
        bias (torch.Tensor, optional): (K * D,).
        num_joints (int): K.
        backend (str): 'reference' (the volume, plain autograd), 'chunked' (a few joints at a time, on any device),
            'triton' (fused kernels, on CUDA), or 'auto' (chunked).
        return_std (bool): also return the standard deviation of each axis' marginal. It carries no gradient.

    Returns:
        torch.Tensor | tuple[torch.Tensor]: (B, K, 3), normalised x, y, z; with ``return_std`` a pair of such tensors.
        float64 for float64 features, float32 for all others. Under autocast the logits have autocast's type, as a
        convolution's have.

    Raises:
        ValueError: shapes that do not fit, several types outside autocast, several devices, or an unknown backend.
        RuntimeError: a backend that cannot run here was asked for by name.
    """
    _check(features, weight, bias, num_joints)
    # Triton's kernels are not the choice of 'auto' before they have been measured to be faster on a GPU.
    name = 'chunked' if backend == 'auto' else backend
    if name not in BACKENDS:
        raise ValueError(f"backend: one of 'auto', {', '.join(map(repr, BACKENDS))} expected, got {backend!r}")
    height, width = features.shape[2:]
    features, weight, bias = _to_one_type(features.flatten(2), weight.flatten(1), bias)
    if bias is None:
        bias = weight.new_zeros(len(weight))
    dtype = statistics_dtype(features.dtype)
    grids = tuple(axis_grid(size, dtype=dtype, device=features.device)
                  for size in (width, height, len(weight) // num_joints))
    with torch.autocast(features.device.type, enabled=False):  # statistics must not be rounded to half
        mean, std = BACKENDS[name](features, weight, bias, grids, num_joints)
    return (mean, std) if return_std else mean
