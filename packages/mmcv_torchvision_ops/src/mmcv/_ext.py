"""The ops of ``mmcv._ext`` that torchvision can replace, on CPU and CUDA.

mmcv's Python files call these functions with its C++ argument lists. Results are written into tensors of the caller,
and gradients are added to tensors of zeros. Boxes are (x1, y1, x2, y2) in pixels. A region of interest is (batch index,
x1, y1, x2, y2) in the pixels of the image; ``spatial_scale`` is the number of feature cells per pixel.

An op that is missing here raises NotImplementedError when it is called, not when it is imported, because ``mmcv.ops``
imports all names at once, and nearly every model uses only a few of them.
"""
from collections.abc import Callable

import torch
import torchvision
from torch import Tensor
from torchvision.ops import deform_conv2d, roi_align
from torchvision.ops import nms as torchvision_nms

COMPILED_MMCV_HINT = (
    'It needs a compiled mmcv built for this torch: `pip uninstall -y mmcv-torchvision-ops mmcv-lite`, then '
    '`MMCV_WITH_OPS=1 pip install --no-build-isolation mmcv==2.1.0` (builds from source, most of an hour).')


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4) px.
        scores: (N,).
        iou_threshold: Largest overlap with a better box with which a box is kept.
        offset: 0, or 1 if x2 and y2 are the last pixel inside, so that a width is x2 - x1 + 1.

    Returns:
        (M,) int64, indices of the kept boxes, best first; equal scores stay in their order.
    """
    # torchvision needs one dtype for both. It has no half kernel on CPU, and half precision is too coarse for pixels.
    dtype = torch.promote_types(torch.promote_types(boxes.dtype, scores.dtype), torch.float32)
    # Moving the far edges by `offset` adds it to every width and height, and to those of every overlap, as in mmcv.
    shifted = boxes.to(dtype) + torch.tensor([0, 0, offset, offset], dtype=dtype, device=boxes.device)
    return torchvision_nms(shifted, scores.to(dtype), float(iou_threshold))


def roi_align_forward(input: Tensor, rois: Tensor, output: Tensor, argmax_y: Tensor, argmax_x: Tensor,
                      aligned_height: int, aligned_width: int, spatial_scale: float, sampling_ratio: int,
                      pool_mode: int, aligned: bool) -> None:
    """Average bilinear samples over the bins of each region.

    Args:
        input: (B, C, H, W).
        rois: (R, 5).
        output: (R, C, aligned_height, aligned_width), written.
        argmax_y: Not used, like ``argmax_x``; they are for the maximum only.
        argmax_x: Not used.
        aligned_height: Number of bins along y.
        aligned_width: Number of bins along x.
        spatial_scale: Feature cells per pixel.
        sampling_ratio: Samples per bin along each axis; 0 stands for about one per feature cell.
        pool_mode: 1 for the average; 0, the maximum, is refused.
        aligned: Whether pixel i covers [i, i + 1], so that its centre is at i + 0.5.
    """
    _refuse_max_mode(pool_mode)
    output.copy_(_align(input, rois, (aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned))


def roi_align_backward(grad_output: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor, grad_input: Tensor,
                       aligned_height: int, aligned_width: int, spatial_scale: float, sampling_ratio: int,
                       pool_mode: int, aligned: bool) -> None:
    """Add the gradient of :func:`roi_align_forward` to ``grad_input`` (B, C, H, W)."""
    _refuse_max_mode(pool_mode)

    def forward(feature: Tensor) -> Tensor:
        return _align(feature, rois, (aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned)

    # The op is linear in the feature map, so its gradient is the same for every map.
    _add_gradients(forward, [torch.zeros_like(grad_input)], grad_output, [grad_input])


def _align(feature: Tensor, rois: Tensor, size: tuple[int, int], spatial_scale: float, sampling_ratio: int,
           aligned: bool) -> Tensor:
    """torchvision's roi_align in the wider of the two dtypes, because boxes in half precision lose whole pixels."""
    dtype = torch.promote_types(feature.dtype, rois.dtype)
    return roi_align(feature.to(dtype), rois.to(dtype), size, spatial_scale, sampling_ratio, aligned)


def _refuse_max_mode(pool_mode: int) -> None:
    if pool_mode != 1:
        raise NotImplementedError(f"roi_align with pool_mode='max' is not available. {COMPILED_MMCV_HINT}")


def roi_pool_forward(input: Tensor, rois: Tensor, output: Tensor, argmax: Tensor, pooled_height: int,
                     pooled_width: int, spatial_scale: float) -> None:
    """Take the maximum cell of each bin of each region.

    torchvision's roi_pool rounds the corners of a region before it divides it into bins, and mmcv's does not. The two
    differ at any scale other than 1. This one follows mmcv.

    Args:
        input: (B, C, H, W).
        rois: (R, 5).
        output: (R, C, pooled_height, pooled_width), written; 0 if a bin has no cell.
        argmax: Same shape, int32, written; y * W + x of the maximum, -1 if a bin has no cell.
        pooled_height: Number of bins along y.
        pooled_width: Number of bins along x.
        spatial_scale: Feature cells per pixel.
    """
    height, width = input.shape[-2:]
    in_rows = _cells_in_bins(rois[:, 2], rois[:, 4], pooled_height, height, spatial_scale)
    in_columns = _cells_in_bins(rois[:, 1], rois[:, 3], pooled_width, width, spatial_scale)
    for region, batch_index in enumerate(rois[:, 0].long().tolist()):
        feature = input[batch_index].unsqueeze(2)  # (C, H, 1, W)
        row_max, column = feature.masked_fill(~in_columns[region], -torch.inf).max(dim=-1)  # (C, H, PW)
        masked = row_max.unsqueeze(1).masked_fill(~in_rows[region].unsqueeze(-1), -torch.inf)  # (C, PH, H, PW)
        best, row = masked.max(dim=2)  # (C, PH, PW)
        empty = ~(in_rows[region].any(-1)[:, None] & in_columns[region].any(-1))
        output[region] = best.masked_fill(empty, 0)
        argmax[region] = (row * width + column.gather(1, row)).masked_fill(empty, -1).to(argmax.dtype)


def roi_pool_backward(grad_output: Tensor, rois: Tensor, argmax: Tensor, grad_input: Tensor, pooled_height: int,
                      pooled_width: int, spatial_scale: float) -> None:
    """Add the gradient of :func:`roi_pool_forward`, which is at the maxima, to ``grad_input`` (B, C, H, W)."""
    _, channels, height, width = grad_input.shape
    first_channel = rois[:, :1].long() * channels  # (R, 1), index of a region's first map among all B * C
    maps = first_channel + torch.arange(channels, device=rois.device)
    cells = maps[..., None] * (height * width) + argmax.flatten(2).long()
    filled = argmax.flatten(2) >= 0
    grad_input.view(-1).index_add_(0, cells[filled], grad_output.flatten(2)[filled].to(grad_input.dtype))


def _cells_in_bins(start: Tensor, stop: Tensor, num_bins: int, num_cells: int, spatial_scale: float) -> Tensor:
    """Whether a cell of one axis belongs to a bin of a region: (R,), (R,) px -> (R, num_bins, num_cells) bool."""
    low = (start * spatial_scale)[:, None]
    extent = ((stop + 1) * spatial_scale)[:, None] - low
    bins = torch.arange(num_bins + 1, device=start.device, dtype=start.dtype)
    edges = bins * (extent / num_bins) + low  # (R, num_bins + 1)
    cells = torch.arange(num_cells, device=start.device)
    inside = (cells >= edges[:, :-1, None].floor()) & (cells < edges[:, 1:, None].ceil())
    return inside & (extent > 0)[..., None]


def deform_conv_forward(input: Tensor, weight: Tensor, offset: Tensor, output: Tensor, columns: Tensor, ones: Tensor,
                        kW: int, kH: int, dW: int, dH: int, padW: int, padH: int, dilationW: int, dilationH: int,
                        group: int, deformable_group: int, im2col_step: int) -> None:
    """Deformable convolution (DCN v1). ``columns``, ``ones`` and ``im2col_step`` are not used.

    Args:
        input: (B, C, H, W).
        weight: (C_out, C / group, kH, kW).
        offset: (B, 2 * deformable_group * kH * kW, H_out, W_out), cells, (y, x) pairs.
        output: (B, C_out, H_out, W_out), written.
    """
    output.copy_(deform_conv2d(input, offset, weight, None, (dH, dW), (padH, padW), (dilationH, dilationW)))


def deform_conv_backward_input(input: Tensor, offset: Tensor, grad_output: Tensor, grad_input: Tensor,
                               grad_offset: Tensor, weight: Tensor, columns: Tensor, kW: int, kH: int, dW: int,
                               dH: int, padW: int, padH: int, dilationW: int, dilationH: int, group: int,
                               deformable_group: int, im2col_step: int) -> None:
    """Add the gradients of :func:`deform_conv_forward` to ``grad_input`` and ``grad_offset``."""

    def forward(input: Tensor, offset: Tensor) -> Tensor:
        return deform_conv2d(input, offset, weight, None, (dH, dW), (padH, padW), (dilationH, dilationW))

    _add_gradients(forward, [input, offset], grad_output, [grad_input, grad_offset])


def deform_conv_backward_parameters(input: Tensor, offset: Tensor, grad_output: Tensor, grad_weight: Tensor,
                                    columns: Tensor, ones: Tensor, kW: int, kH: int, dW: int, dH: int, padW: int,
                                    padH: int, dilationW: int, dilationH: int, group: int, deformable_group: int,
                                    scale: float, im2col_step: int) -> None:
    """Add the gradient of :func:`deform_conv_forward`, times ``scale``, to ``grad_weight``."""

    def forward(weight: Tensor) -> Tensor:
        return scale * deform_conv2d(input, offset, weight, None, (dH, dW), (padH, padW), (dilationH, dilationW))

    # The op is linear in the weight, so its gradient is the same for every weight.
    _add_gradients(forward, [torch.zeros_like(grad_weight)], grad_output, [grad_weight])


def modulated_deform_conv_forward(input: Tensor, weight: Tensor, bias: Tensor, ones: Tensor, offset: Tensor,
                                  mask: Tensor, output: Tensor, columns: Tensor, kernel_h: int, kernel_w: int,
                                  stride_h: int, stride_w: int, pad_h: int, pad_w: int, dilation_h: int,
                                  dilation_w: int, group: int, deformable_group: int, with_bias: bool) -> None:
    """Deformable convolution with one weight per sample (DCN v2); see also :func:`deform_conv_forward`.

    Args:
        bias: (C_out,), used only ``with_bias``.
        mask: (B, deformable_group * kernel_h * kernel_w, H_out, W_out), factors of the samples.
    """
    output.copy_(deform_conv2d(input, offset, weight, bias if with_bias else None, (stride_h, stride_w),
                               (pad_h, pad_w), (dilation_h, dilation_w), mask))


def modulated_deform_conv_backward(input: Tensor, weight: Tensor, bias: Tensor, ones: Tensor, offset: Tensor,
                                   mask: Tensor, columns: Tensor, grad_input: Tensor, grad_weight: Tensor,
                                   grad_bias: Tensor, grad_offset: Tensor, grad_mask: Tensor, grad_output: Tensor,
                                   kernel_h: int, kernel_w: int, stride_h: int, stride_w: int, pad_h: int, pad_w: int,
                                   dilation_h: int, dilation_w: int, group: int, deformable_group: int,
                                   with_bias: bool) -> None:
    """Add the gradients of :func:`modulated_deform_conv_forward` to the five ``grad_*`` tensors."""

    def forward(input: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return deform_conv2d(input, offset, weight, bias, (stride_h, stride_w), (pad_h, pad_w),
                             (dilation_h, dilation_w), mask)

    inputs, gradients = [input, offset, mask, weight], [grad_input, grad_offset, grad_mask, grad_weight]
    if with_bias:
        inputs, gradients = inputs + [bias], gradients + [grad_bias]
    _add_gradients(forward, inputs, grad_output, gradients)


def _add_gradients(forward: Callable[..., Tensor], inputs: list[Tensor], grad_output: Tensor,
                   gradients: list[Tensor]) -> None:
    """Run ``forward(*inputs)`` again and add its gradient for each input to the tensor at the same index.

    mmcv calls the backward ops with autograd switched off, and torchvision's gradients are available only through it.
    """
    inputs = [tensor.detach().requires_grad_() for tensor in inputs]
    with torch.enable_grad():
        output = forward(*inputs)
    found = torch.autograd.grad(output, inputs, grad_output.to(output.dtype))
    for total, gradient in zip(gradients, found, strict=True):
        total.add_(gradient)


def get_compiler_version() -> str:
    """Compiler in mmcv's environment report."""
    return 'none: ops run on torchvision (mmcv-torchvision-ops)'


def get_compiling_cuda_version() -> str:
    """CUDA version in mmcv's environment report: torchvision's, which runs the ops."""
    return str(torchvision.version.cuda or 'not available')


def __getattr__(name: str) -> Callable:
    """Replace every other op, so that all of ``mmcv.ops`` can be imported."""
    if name.startswith('_'):  # Python and pytest look for such names to find out what a module supports
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

    def missing_op(*args: object, **kwargs: object) -> None:
        raise NotImplementedError(f'mmcv op {name!r} is not available through torchvision. {COMPILED_MMCV_HINT}')

    missing_op.__name__ = missing_op.__qualname__ = name
    return missing_op
