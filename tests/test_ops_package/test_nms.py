import numpy as np
import pytest
import torch
from mmcv.ops import nms


def brute_force_nms(boxes, scores, threshold, offset):
    """Greedy suppression by its definition, float64, one pair at a time."""
    boxes = boxes.astype(np.float64)
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    kept = []
    for i in order:
        if all(overlap(boxes[i], boxes[j], offset) <= threshold for j in kept):
            kept.append(i)
    return kept


def overlap(a, b, offset):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
    areas = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def random_boxes(count, seed, whole_pixels):
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 30, (count, 2))
    boxes = np.concatenate([start, start + rng.uniform(4, 25, (count, 2))], axis=1)
    # Scores have only a few values, so that many are equal.
    return (boxes.round() if whole_pixels else boxes).astype(np.float32), rng.integers(1, 6, count) / 8


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('whole_pixels', [False, True])
@pytest.mark.parametrize('threshold', [0.0, 0.3, 0.65])
def test_agrees_with_the_definition(offset, whole_pixels, threshold, device):
    for seed in range(6):
        boxes, scores = random_boxes(23, seed, whole_pixels)
        dets, kept = nms(torch.from_numpy(boxes).to(device), torch.tensor(scores, device=device).float(), threshold,
                         offset=offset)
        assert kept.tolist() == brute_force_nms(boxes, scores, threshold, offset)
        np.testing.assert_array_equal(dets[:, :4].cpu(), boxes[kept.cpu()])
        np.testing.assert_array_equal(dets[:, 4].cpu(), scores[kept.cpu()].astype(np.float32))


@pytest.mark.parametrize('offset, kept', [(0, [1, 0]), (1, [1])])
def test_one_pixel_boxes(offset, kept):
    # Without the offset their area is zero and no overlap is defined: both stay.
    boxes = torch.tensor([[4., 4, 4, 4], [4., 4, 4, 4]])
    assert nms(boxes, torch.tensor([0.2, 0.7]), 0.5, offset=offset)[1].tolist() == kept


@pytest.mark.parametrize('offset', [0, 1])
def test_empty_input(offset, device):
    dets, kept = nms(torch.zeros(0, 4, device=device), torch.zeros(0, device=device), 0.5, offset=offset)
    assert dets.shape == (0, 5) and kept.shape == (0,) and kept.dtype == torch.int64


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes(dtype, device):
    boxes, scores = (torch.tensor(part, device=device).to(dtype) for part in random_boxes(15, 3, True))
    expected = brute_force_nms(boxes.double().cpu().numpy(), scores.double().cpu().numpy(), 0.4, 0)
    assert nms(boxes, scores, 0.4)[1].tolist() == expected
