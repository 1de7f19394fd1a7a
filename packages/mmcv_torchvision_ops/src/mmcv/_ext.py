"""The ops of ``mmcv._ext`` that torchvision can stand in for, on CPU and CUDA.

mmcv's Python files call these functions with its C++ argument lists: results are written into tensors that the caller
has made, and gradients are added to tensors of zeros. Boxes are (x1, y1, x2, y2) in pixels; a region of interest is
(batch index, x1, y1, x2, y2) in the pixels of the image, ``spatial_scale`` takes it to the feature map.

An op that is not here raises NotImplementedError when it is called, not when it is imported: ``mmcv.ops`` asks for
all names at once, and nearly every model uses only a few of them.
"""
import torch
import torchvision
from torchvision.ops import deform_conv2d, roi_align
from torchvision.ops import nms as torchvision_nms

COMPILED_MMCV_HINT = (
    'It needs a compiled mmcv built for this torch: `pip uninstall -y mmcv-torchvision-ops mmcv-lite`, then '
    '`MMCV_WITH_OPS=1 pip install --no-build-isolation mmcv==2.1.0` (builds from source, most of an hour).')


def nms(boxes, scores, iou_threshold, offset):
    """Greedy non-maximum suppression.

    Args:
        boxes (Tensor): (N, 4) px.
        scores (Tensor): (N,).
        iou_threshold (float): a box that overlaps a better one by more than this is dropped.
        offset (int): 0, or 1 where x2 and y2 name the last pixel inside, so that a width is x2 - x1 + 1.

    Returns:
        Tensor: (M,) int64, indices of the boxes that stay, best first; equal scores stay in their order.
    """
    # torchvision has no half kernel on CPU, and half precision is too coarse for pixels. One dtype for both.
    dtype = torch.promote_types(torch.promote_types(boxes.dtype, scores.dtype), torch.float32)
    # Moving the far edges by `offset` gives every width, height and overlap mmcv's `+ offset`.
    shifted = boxes.to(dtype) + torch.tensor([0, 0, offset, offset], dtype=dtype, device=boxes.device)
    return torchvision_nms(shifted, scores.to(dtype), float(iou_threshold))


def roi_align_forward(input, rois, output, argmax_y, argmax_x, aligned_height, aligned_width, spatial_scale,
                      sampling_ratio, pool_mode, aligned):
    """Average bilinear samples over the bins of each region; fills ``output``.

    Args:
        input (Tensor): (B, C, H, W).
        rois (Tensor): (R, 5).
        output (Tensor): (R, C, aligned_height, aligned_width), written.
        argmax_y (Tensor): unused, max pooling only.
        argmax_x (Tensor): unused, max pooling only.
        aligned_height (int): bins along y.
        aligned_width (int): bins along x.
        spatial_scale (float): feature cells a pixel.
        sampling_ratio (int): samples a bin along each axis; 0 for about one a feature cell.
        pool_mode (int): 1 for the average; 0, the maximum, is refused.
        aligned (bool): True where pixel i covers [i, i + 1], so that its centre lies half a cell further on.
    """
    _refuse_max_mode(pool_mode)
    output.copy_(_align(input, rois, (aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned))


def roi_align_backward(grad_output, rois, argmax_y, argmax_x, grad_input, aligned_height, aligned_width,
                       spatial_scale, sampling_ratio, pool_mode, aligned):
    """Add the gradient of :func:`roi_align_forward` to ``grad_input`` (B, C, H, W)."""
    _refuse_max_mode(pool_mode)

    def forward(feature):
        return _align(feature, rois, (aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned)

    # The op is linear in the feature map: its gradient is the same at every map, so also at zeros.
    _add_gradients(forward, [torch.zeros_like(grad_input)], grad_output, [grad_input])


def _align(feature, rois, size, spatial_scale, sampling_ratio, aligned):
    """torchvision's roi_align in the wider of the two dtypes: half-precision boxes would lose whole pixels."""
    dtype = torch.promote_types(feature.dtype, rois.dtype)
    return roi_align(feature.to(dtype), rois.to(dtype), size, spatial_scale, sampling_ratio, aligned)


def _refuse_max_mode(pool_mode):
    if pool_mode != 1:
        raise NotImplementedError(f"roi_align with pool_mode='max' is not available. {COMPILED_MMCV_HINT}")


def roi_pool_forward(input, rois, output, argmax, pooled_height, pooled_width, spatial_scale):
    """Take the maximum cell of each bin of each region; fills ``output`` and ``argmax``.

    torchvision's roi_pool rounds a region's corners before it divides it into bins, mmcv's does not, and the two
    differ at any scale other than 1. This one follows mmcv.

    Args:
        input (Tensor): (B, C, H, W).
        rois (Tensor): (R, 5).
        output (Tensor): (R, C, pooled_height, pooled_width), written; 0 where a bin has no cell.
        argmax (Tensor): same shape, int32, written; y * W + x of the maximum, -1 where a bin has no cell.
        pooled_height (int): bins along y.
        pooled_width (int): bins along x.
        spatial_scale (float): feature cells a pixel.
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


def roi_pool_backward(grad_output, rois, argmax, grad_input, pooled_height, pooled_width, spatial_scale):
    """Add the gradient of :func:`roi_pool_forward` to ``grad_input`` (B, C, H, W): a bin's goes to its maximum."""
    _, channels, height, width = grad_input.shape
    first_channel = rois[:, :1].long() * channels  # (R, 1), its place in the list of all B * C maps
    maps = first_channel + torch.arange(channels, device=rois.device)
    cells = maps[..., None] * (height * width) + argmax.flatten(2).long()
    filled = argmax.flatten(2) >= 0
    grad_input.view(-1).index_add_(0, cells[filled], grad_output.flatten(2)[filled].to(grad_input.dtype))


def _cells_in_bins(start, stop, num_bins, num_cells, spatial_scale):
    """Which cells of one axis belong to which bin of each region: (R,), (R,) px -> (R, num_bins, num_cells) bool."""
    low = (start * spatial_scale)[:, None]
    extent = ((stop + 1) * spatial_scale)[:, None] - low
    bins = torch.arange(num_bins + 1, device=start.device, dtype=start.dtype)
    edges = bins * (extent / num_bins) + low  # (R, num_bins + 1)
    cells = torch.arange(num_cells, device=start.device)
    inside = (cells >= edges[:, :-1, None].floor()) & (cells < edges[:, 1:, None].ceil())
    return inside & (extent > 0)[..., None]


def deform_conv_forward(input, weight, offset, output, columns, ones, kW, kH, dW, dH, padW, padH, dilationW,
                        dilationH, group, deformable_group, im2col_step):
    """Deformable convolution (DCN v1); fills ``output``.

    Args:
        input (Tensor): (B, C, H, W).
        weight (Tensor): (C_out, C / group, kH, kW).
        offset (Tensor): (B, 2 * deformable_group * kH * kW, H_out, W_out), cells, (y, x) pairs.
        output (Tensor): (B, C_out, H_out, W_out), written.
        columns (Tensor): unused work space, like ``ones``; ``im2col_step`` has no effect on the result.
    """
    output.copy_(deform_conv2d(input, offset, weight, None, (dH, dW), (padH, padW), (dilationH, dilationW)))


def deform_conv_backward_input(input, offset, grad_output, grad_input, grad_offset, weight, columns, kW, kH, dW, dH,
                               padW, padH, dilationW, dilationH, group, deformable_group, im2col_step):
    """Add the gradients of :func:`deform_conv_forward` to ``grad_input`` and ``grad_offset``."""

    def forward(input, offset):
        return deform_conv2d(input, offset, weight, None, (dH, dW), (padH, padW), (dilationH, dilationW))

    _add_gradients(forward, [input, offset], grad_output, [grad_input, grad_offset])


def deform_conv_backward_parameters(input, offset, grad_output, grad_weight, columns, ones, kW, kH, dW, dH, padW,
                                    padH, dilationW, dilationH, group, deformable_group, scale, im2col_step):
    """Add the gradient of :func:`deform_conv_forward`, times ``scale``, to ``grad_weight``."""

    def forward(weight):
        return scale * deform_conv2d(input, offset, weight, None, (dH, dW), (padH, padW), (dilationH, dilationW))

    # Linear in the weight: the gradient at zero is the gradient.
    _add_gradients(forward, [torch.zeros_like(grad_weight)], grad_output, [grad_weight])


def modulated_deform_conv_forward(input, weight, bias, ones, offset, mask, output, columns, kernel_h, kernel_w,
                                  stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group,
                                  with_bias):
    """Deformable convolution with a weight for each sample (DCN v2); fills ``output``.

    Args are those of :func:`deform_conv_forward` and:
        bias (Tensor): (C_out,), used only ``with_bias``.
        mask (Tensor): (B, deformable_group * kernel_h * kernel_w, H_out, W_out), factors of the samples.
    """
    output.copy_(deform_conv2d(input, offset, weight, bias if with_bias else None, (stride_h, stride_w),
                               (pad_h, pad_w), (dilation_h, dilation_w), mask))


def modulated_deform_conv_backward(input, weight, bias, ones, offset, mask, columns, grad_input, grad_weight,
                                   grad_bias, grad_offset, grad_mask, grad_output, kernel_h, kernel_w, stride_h,
                                   stride_w, pad_h, pad_w, dilation_h, dilation_w, group, deformable_group,
                                   with_bias):
    """Add the gradients of :func:`modulated_deform_conv_forward` to the five ``grad_*`` tensors."""

    def forward(input, offset, mask, weight, bias=None):
        return deform_conv2d(input, offset, weight, bias, (stride_h, stride_w), (pad_h, pad_w),
                             (dilation_h, dilation_w), mask)

    inputs, gradients = [input, offset, mask, weight], [grad_input, grad_offset, grad_mask, grad_weight]
    if with_bias:
        inputs, gradients = inputs + [bias], gradients + [grad_bias]
    _add_gradients(forward, inputs, grad_output, gradients)


def _add_gradients(forward, inputs, grad_output, gradients):
    """Run ``forward(*inputs)`` again and add its gradient for each input to the tensor of the same place.

    mmcv calls the backward ops with autograd switched off, and torchvision's gradients are reached through autograd.
    """
    inputs = [tensor.detach().requires_grad_() for tensor in inputs]
    with torch.enable_grad():
        output = forward(*inputs)
    found = torch.autograd.grad(output, inputs, grad_output.to(output.dtype))
    for total, gradient in zip(gradients, found, strict=True):
        total.add_(gradient)


def get_compiler_version():
    """What mmcv's environment report shows as its compiler."""
    return 'none: ops run on torchvision (mmcv-torchvision-ops)'


def get_compiling_cuda_version():
    """What mmcv's environment report shows as its CUDA: torchvision's, which runs the ops."""
    return str(torchvision.version.cuda or 'not available')


def __getattr__(name):
    """Stand in for every other op, so that ``mmcv.ops`` imports whole."""
    if name.startswith('_'):
        # Python and pytest look for such names; they must not take a stand-in for an answer.
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

    def missing_op(*args, **kwargs):
        raise NotImplementedError(f'mmcv op {name!r} is not available through torchvision. {COMPILED_MMCV_HINT}')

    missing_op.__name__ = missing_op.__qualname__ = name
    return missing_op
