import numpy as np
import pytest
import torch
import torchvision
from mmcv.ops import batched_nms, nms


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
    # Scores from a few values only, so that many are equal.
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


def test_agrees_with_torchvision(device):
    boxes, scores = (torch.tensor(part, device=device).float() for part in random_boxes(200, 7, False))
    torch.testing.assert_close(nms(boxes, scores, 0.5)[1], torchvision.ops.nms(boxes, scores, 0.5))


def test_offset_counts_the_last_pixel():
    # Overlap of columns 0-3 and 2-5: 1 / 5 without the offset (widths 3), 2 / 6 with it (widths 4).
    boxes = torch.tensor([[0., 0, 3, 9], [2., 0, 5, 9]])
    scores = torch.tensor([0.9, 0.8])
    assert nms(boxes, scores, 0.25, offset=0)[1].tolist() == [0, 1]
    assert nms(boxes, scores, 0.25, offset=1)[1].tolist() == [0]


@pytest.mark.parametrize('offset', [0, 1])
def test_one_pixel_boxes(offset):
    # Without the offset their area is zero and no overlap is defined: both stay.
    boxes = torch.tensor([[4., 4, 4, 4], [4., 4, 4, 4]])
    assert nms(boxes, torch.tensor([0.2, 0.7]), 0.5, offset=offset)[1].tolist() == ([1, 0] if offset == 0 else [1])


@pytest.mark.parametrize('offset', [0, 1])
def test_empty_input(offset, device):
    dets, kept = nms(torch.zeros(0, 4, device=device), torch.zeros(0, device=device), 0.5, offset=offset)
    assert dets.shape == (0, 5) and kept.shape == (0,) and kept.dtype == torch.int64


def test_equal_scores_keep_the_first():
    boxes = torch.tensor([[0., 0, 10, 10], [1., 0, 11, 10], [40., 0, 50, 10], [0., 1, 10, 11]])
    assert nms(boxes, torch.full((4,), 0.5), 0.5)[1].tolist() == [0, 2]


def test_score_threshold_and_max_num():
    boxes = torch.tensor([[0., 0, 9, 9], [20., 0, 29, 9], [40., 0, 49, 9], [60., 0, 69, 9]])
    scores = torch.tensor([0.3, 0.9, 0.05, 0.6])
    assert nms(boxes, scores, 0.5, score_threshold=0.1)[1].tolist() == [1, 3, 0]
    assert nms(boxes, scores, 0.5, max_num=2)[1].tolist() == [1, 3]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes(dtype, device):
    boxes, scores = (torch.tensor(part, device=device).to(dtype) for part in random_boxes(15, 3, True))
    expected = brute_force_nms(boxes.double().cpu().numpy(), scores.double().cpu().numpy(), 0.4, 0)
    assert nms(boxes, scores, 0.4)[1].tolist() == expected


def test_numpy_input():
    boxes, scores = random_boxes(9, 5, False)
    dets, kept = nms(boxes, scores.astype(np.float32), 0.3)
    assert isinstance(dets, np.ndarray) and kept.tolist() == brute_force_nms(boxes, scores, 0.3, 0)


def test_classes_do_not_suppress_each_other():
    boxes = torch.tensor([[0., 0, 10, 10], [0., 0, 10, 10], [0., 0, 10, 10]])
    _, kept = batched_nms(boxes, torch.tensor([0.5, 0.9, 0.7]), torch.tensor([0, 1, 0]),
                          dict(type='nms', iou_threshold=0.5))
    assert kept.tolist() == [1, 2]
