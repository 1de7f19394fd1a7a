"""Tests of the package that replaces xtcocotools.

``GOLDEN`` holds the ``stats`` of the original: xtcocotools 1.14.3 with numpy 1.26.4 on Python 3.11. They are the output
of ``evaluate`` for the data of ``make_case``, with ``COCO`` and ``COCOeval`` imported from the original.
"""
import json
import math
import re
import sys
from importlib import metadata
from pathlib import Path

import mmpose
import numpy as np
import pytest
from mmpose.evaluation.metrics import CocoMetric
from xtcocotools import mask
from xtcocotools.coco import COCO
from xtcocotools.cocoeval import COCOeval

# (seed, number of keypoints, own sigmas, use_area): AP, AP50, AP75, AP medium, AP large, and the same for AR
GOLDEN = {
    (0, 17, False, True): [0.16487, 0.34693, 0.09025, 0.15420, 0.18130, 0.43125, 0.62500, 0.37500, 0.42000, 0.41000],
    (1, 17, True, False): [0.21099, 0.41832, 0.17624, 0.49901, 0.23393, 0.39286, 0.57143, 0.35714, 0.50000, 0.40000],
    (2, 14, True, True): [0.15324, 0.28017, 0.13358, 0.22562, 0.12698, 0.21200, 0.32000, 0.20000, 0.28571, 0.18571],
    (3, 14, True, False): [0.03672, 0.08091, 0.02520, 0.11904, 0.01620, 0.20500, 0.30000, 0.20000, 0.20625, 0.26667],
    (4, 18, True, True): [0.07773, 0.14285, 0.06595, 0.03366, 0.04256, 0.28667, 0.46667, 0.26667, 0.23333, 0.16667],
    (5, 18, True, False): [0.24491, 0.47680, 0.26146, 0.24495, 0.29636, 0.38889, 0.61111, 0.38889, 0.31250, 0.46667],
}

pytestmark = pytest.mark.skipif('pycocotools' not in metadata.version('xtcocotools'),
                                reason='the original xtcocotools is installed, the replacement is not in use')


def make_case(seed, num_keypoints):
    """Random ground truth, results and sigmas, with all special cases of the evaluation.

    Some persons are crowds, and some have no labelled keypoint. 'num_keypoints' is wrong, and ids start at 0. Image 3
    has no detections. Image 5 can have more than the 20 that count. Some detections have no positive keypoint score.
    """
    rng = np.random.default_rng(seed)
    annotations, results = [], []

    def detect(image_id, xy):
        scores = rng.random(num_keypoints) * (rng.random() > 0.1)
        results.append(dict(image_id=image_id, category_id=1, score=round(rng.random(), 1),
                            keypoints=np.column_stack([xy, scores]).ravel().tolist()))

    for image_id in range(8):
        for _ in range(rng.integers(1, 6)):
            size = 20 + 200 * rng.random()
            xy = 400 * rng.random(2) + 0.3 * size * rng.normal(size=(num_keypoints, 2))
            labels = rng.integers(0, 3, num_keypoints) * (rng.random() > 0.15)
            corner, sides = xy.min(axis=0), np.ptp(xy, axis=0)
            annotations.append(dict(
                id=len(annotations), image_id=image_id, category_id=1, bbox=[*corner.tolist(), *sides.tolist()],
                keypoints=np.column_stack([xy, labels]).ravel().tolist(), num_keypoints=len(annotations) % 2,
                area=(0.3 + 0.5 * rng.random()) * sides.prod()))
            if rng.random() < 0.2:
                annotations[-1]['iscrowd'] = 1
            for _ in range(0 if image_id == 3 else 9 if image_id == 5 else rng.integers(0, 3)):
                detect(image_id, xy + 0.15 * size * rng.random() * rng.normal(size=xy.shape))
        if image_id != 3:
            detect(image_id, 400 * rng.random(2) + 60 * rng.normal(size=(num_keypoints, 2)))
    ground_truth = dict(images=[dict(id=image_id) for image_id in range(8)], annotations=annotations,
                        categories=[dict(id=1, name='person')])
    return ground_truth, results, 0.02 + 0.1 * rng.random(num_keypoints)


def evaluate(folder, ground_truth, results, sigmas=None, use_area=True):
    """Evaluate in the same way as mmpose's CocoMetric."""
    truth_file, result_file = folder / 'gt.json', folder / 'results.json'
    truth_file.write_text(json.dumps(ground_truth))
    result_file.write_text(json.dumps(results))
    coco = COCO(str(truth_file))
    evaluation = COCOeval(coco, coco.loadRes(str(result_file)), 'keypoints', sigmas, use_area)
    evaluation.params.useSegm = None
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


@pytest.mark.parametrize('case', GOLDEN, ids=str)
def test_stats_equal_those_of_the_original(case, tmp_path):
    seed, num_keypoints, own_sigmas, use_area = case
    ground_truth, results, sigmas = make_case(seed, num_keypoints)
    evaluation = evaluate(tmp_path, ground_truth, results, sigmas if own_sigmas else None, use_area)
    np.testing.assert_allclose(evaluation.stats, GOLDEN[case], rtol=0, atol=1e-5)


def test_no_detections(tmp_path):
    assert not evaluate(tmp_path, make_case(0, 17)[0], []).stats.any()


SIGMAS = np.array([0.05, 0.1, 0.2])  # of the three keypoints of one_person


def one_person(**changes):
    """Ground truth of one person, whose third keypoint has no label."""
    annotation = dict(id=0, image_id=7, category_id=1, bbox=[0, 0, 100, 200], area=5000.0, iscrowd=0,
                      keypoints=[10, 20, 2, 30, 40, 1, 0, 0, 0])
    return dict(images=[dict(id=7)], categories=[dict(id=1, name='person')], annotations=[annotation | changes])


def shifted(*distances, score=1.0):
    """One detection. Its labelled keypoints are moved along x by ``distances`` in px, and the third is far away."""
    keypoints = [10 + distances[0], 20, 0.5, 30 + distances[1], 40, 0.5, 900, 900, 0.5]
    return [dict(image_id=7, category_id=1, score=score, keypoints=keypoints)]


@pytest.mark.parametrize('use_area, area', [(True, 5000), (False, 0.53 * 100 * 200)])
def test_oks_in_closed_form(use_area, area, tmp_path):
    # exp(-d^2 / (2 area (2 sigma)^2)) is 1 / 2 for the first keypoint and 1 for the second: OKS is 3 / 4.
    distance = math.sqrt(math.log(2) * 2 * area) * 2 * SIGMAS[0]
    evaluation = evaluate(tmp_path, one_person(), shifted(distance, 0), SIGMAS, use_area)
    assert evaluation.ious[7, 1] == pytest.approx(np.array([[0.75]]))
    # A little closer, it passes six of the ten thresholds 0.5, 0.55, ..., 0.95. A large person has at least 96^2 px^2.
    evaluation = evaluate(tmp_path, one_person(), shifted(0.99 * distance, 0), SIGMAS, use_area)
    expected = [0.6, 1, 1, 0.6, -1] if area < 96 ** 2 else [0.6, 1, 1, -1, 0.6]
    np.testing.assert_allclose(evaluation.stats, 2 * expected)


def test_detections_around_an_unlabelled_person_do_not_count(tmp_path):
    ground_truth = one_person(keypoints=[0] * 9, num_keypoints=3)
    inside = [dict(image_id=7, category_id=1, score=1.0, keypoints=[-99, -199, 1, 199, 399, 1, 50, 50, 1])]
    evaluation = evaluate(tmp_path, ground_truth, inside, SIGMAS)
    assert evaluation.ious[7, 1].tolist() == [[1.0]]
    assert evaluation.stats.tolist() == [-1] * 10


def test_detection_without_a_positive_score_is_left_out(tmp_path):
    scoreless = shifted(500, 500)
    scoreless[0]['keypoints'][2::3] = [0, 0, 0]
    results = scoreless + shifted(0, 0, score=0.5)
    assert evaluate(tmp_path, one_person(), results, SIGMAS).stats[0] == pytest.approx(1)
    scoreless[0]['keypoints'][2] = 0.1
    assert evaluate(tmp_path, one_person(), results, SIGMAS).stats[0] == pytest.approx(0.5)


def test_evaluation_does_not_change_the_annotations(tmp_path):
    ground_truth = one_person()
    evaluation = evaluate(tmp_path, ground_truth, shifted(0, 0), SIGMAS, use_area=False)
    assert evaluation.cocoGt.dataset == ground_truth


@pytest.mark.parametrize('iou_type', ['keypoints_crowd', 'keypoints_wholebody', 'bbox', 'segm'])
def test_other_iou_types_name_the_remedy(iou_type):
    with pytest.raises(NotImplementedError, match=f"'{iou_type}' needs the original xtcocotools .*3.11, numpy 1.26"):
        COCOeval(iouType=iou_type)
    evaluation = COCOeval()
    evaluation.params.useSegm = 1  # pycocotools then changes the type to 'segm'
    with pytest.raises(NotImplementedError, match="'segm' needs"):
        evaluation.evaluate()


@pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning')  # pycocotools 2.0.11 on numpy 2
def test_mask_of_a_rectangle():
    # mmpose's BottomupGetHeatmapMask passes polygons (x1, y1, x2, y2, ...) and the image's height and width.
    encoded = mask.frPyObjects([[1, 2, 4, 2, 4, 5, 1, 5]], 7, 6)
    expected = np.zeros((7, 6), dtype=np.uint8)
    expected[2:5, 1:4] = 1
    np.testing.assert_array_equal(mask.decode(mask.merge(encoded)), expected)


def test_mmpose_imports_only_what_is_there():
    imports = {line for file in Path(mmpose.__file__).parent.rglob('*.py')
               for line in re.findall('^(?:from|import) xtcocotools.*', file.read_text(encoding='utf-8'), re.MULTILINE)}
    assert imports == {'from xtcocotools.coco import COCO', 'from xtcocotools.cocoeval import COCOeval',
                       'import xtcocotools.mask as cocomask'}


def test_mmpose_metric(monkeypatch):
    for replacement in (COCO, COCOeval):
        monkeypatch.setattr(sys.modules[CocoMetric.__module__], replacement.__name__, replacement)
    metric = CocoMetric(nms_mode='none')
    metric.dataset_meta = dict(dataset_name='standin', num_keypoints=18, sigmas=np.full(18, 0.05, dtype=np.float32),
                               CLASSES=[dict(id=1, name='person')])
    xy = np.random.default_rng(0).random((18, 2)) * 100
    for number, shift in enumerate([0, 500]):  # the first detection is right, the second misses its person
        annotation = dict(id=number, image_id=number, category_id=1, bbox=[0, 0, 100, 100], area=8000, iscrowd=0,
                          keypoints=np.column_stack([xy, np.full(18, 2)]).ravel().tolist())
        instances = dict(keypoints=xy[None] + shift, keypoint_scores=np.full((1, 18), 0.9 - 0.1 * number))
        metric.process({}, [dict(id=number, img_id=number, ori_shape=(200, 200), raw_ann_info=annotation,
                                 pred_instances=instances, gt_instances={})])
    # Precision is 1 at the 51 of 101 recall thresholds that are 0.5 or less, and 0 at the others.
    metrics = metric.evaluate(size=2)
    assert metrics['coco/AP'] == pytest.approx(51 / 101)
    assert metrics['coco/AR'] == 0.5
