import torch

# Logits this far above the mean count as background: below it the logarithm would leave float32's useful range.
MARGIN = 1e-6


def remove_background(logits):
    r"""Logits whose soft-argmax is that of the volume less its uniform background.

    A softmax gives every cell of the background a little weight, together enough to pull the integral towards the
    middle of the volume. With a background of level b, the expectation without it is

    .. math:: \frac{\sum_i (e^{l_i - b} - 1) \, g_i}{\sum_i (e^{l_i - b} - 1)}

    (Gu et al., "Removing the Bias of Integral Pose Regression", ICCV 2021, section 4, which takes b = 0). Here b is the
    volume's mean, so that the result does not depend on a constant added to the logits, and cells below it get
    nothing. The weights are returned as logits again, :math:`\log(e^{l - b} - 1)`.

    Args:
        logits (torch.Tensor): (B, K, D, H, W).

    Returns:
        torch.Tensor: same shape, float32 at least; very low where the volume is at its background.
    """
    volume = logits.to(torch.promote_types(logits.dtype, torch.float32))
    above = (volume - volume.mean((2, 3, 4), keepdim=True)).clamp(min=MARGIN)
    return above + (-torch.expm1(-above)).log()
