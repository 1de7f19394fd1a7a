import torch


def std_loss(std: torch.Tensor, output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    r"""Negative log-likelihood of root-relative errors under normal distributions, without its constant.

    .. math:: \log s + e^2 / (2 s^2)

    (Nix and Weigend, "Estimating the mean and variance of the target probability distribution", ICNN 1994.) The error
    :math:`e` of a joint is relative to that of the root, as in a pose in mm; that of the root is its own.

    Args:
        std: (B, K, 3), standard deviations above 0, normalised. Only they get a gradient.
        output: (B, K, 3), predicted coordinates, normalised.
        target: (B, K, 3), labels, normalised.
        weight: (B, K, 3), weights. A coordinate is used if it and that of the root have a weight above 0.

    Returns:
        Mean over the used coordinates, a scalar; 0 if there are none.
    """
    used = (weight > 0) & (weight[:, :1] > 0)
    error = torch.where(weight > 0, output.detach() - target, 0)  # the label of an absent joint may be anything
    error = torch.cat([error[:, :1], error[:, 1:] - error[:, :1]], dim=1)
    likelihood = std.log() + error.square() / (2 * std.square())
    return torch.where(used, likelihood, 0).sum() / used.sum().clamp(min=1)
