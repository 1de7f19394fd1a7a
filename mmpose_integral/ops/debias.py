import torch

# Logits that are less than this above the mean count as background. For smaller values, the logarithm below would leave
# the useful range of float32.
MARGIN = 1e-6


def remove_background(logits: torch.Tensor) -> torch.Tensor:
    r"""Convert logits to those whose soft-argmax is that of the volume without its uniform background.

    A softmax gives every cell of the background a small weight. Together, these weights pull the integral towards the
    middle of the volume. With a background of level b, the expectation without it is

    .. math:: \frac{\sum_i (e^{l_i - b} - 1) \, g_i}{\sum_i (e^{l_i - b} - 1)}

    (Gu et al., "Removing the Bias of Integral Pose Regression", ICCV 2021, section 4, which takes b = 0). Here b is the
    volume's mean, so that the result does not depend on a constant added to the logits. Cells below b get a weight of
    almost 0. The weights are returned as logits, :math:`\log(e^{l - b} - 1)`.

    Args:
        logits: (B, K, D, H, W).

    Returns:
        Logits of the same shape, at least float32; very low where the volume is at its background.
    """
    volume = logits.to(torch.promote_types(logits.dtype, torch.float32))
    above = (volume - volume.mean((2, 3, 4), keepdim=True)).clamp(min=MARGIN)
    return above + (-torch.expm1(-above)).log()
