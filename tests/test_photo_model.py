"""The model `photo` on real people, where its weights and the real frames are available."""
import json

import numpy as np
import pytest
from small_training import run_tool

from mmpose_integral.apis import load_aliases


@pytest.fixture(scope='module')
def photo():
    if 'photo' not in load_aliases():
        pytest.skip('the model photo is not on this machine; `mmpose-integral get-model photo` makes it')
    return 'photo'


def test_people_in_photographs(photo, real_data, tmp_path):
    """It is near the figures of docs/photographs.md, where `standin` has 35 % of the joints of all people."""
    files = [real_data / 'real_3dhp' / 'frames.json', real_data / 'real_mpii' / 'mpii_train.json',
             *(real_data / f'real_{name}' / 'person_keypoints.json' for name in ('coco', 'photos'))]
    assert run_tool('photo-report', *files, '--models', photo, '--out-dir', tmp_path) == 0
    summary = json.loads((tmp_path / 'photo_report.json').read_text())['summary']
    shares = {name: rows['photo']['share_2d'] for name, rows in summary.items()}
    assert shares['all'] > 0.68 and shares['real_mpii'] > 0.85, shares
    assert summary['real_3dhp']['photo']['mpjpe'] < 180


def test_the_exported_graph_gives_the_same_joints(photo, real_data, tmp_path):
    pytest.importorskip('onnxruntime', reason='the package onnxruntime (extra export) is not installed')
    from mmpose_integral.apis import MMPoseInferencer
    from mmpose_integral.deployment import OnnxIntegralPose
    image, box = str(real_data / 'real_h80k' / 'Train' / 'IMG' / '00001.jpg'), [388, 272, 545, 659]
    assert run_tool('export', photo, '--out-dir', tmp_path) == 0
    (file, ) = tmp_path.glob('*.onnx')
    (other, ) = OnnxIntegralPose(str(file))(image, [box], focal_length=1145)
    result = next(MMPoseInferencer(pose3d=photo, device='cpu')(image, bboxes=[box], focal_length=1145, upright=False))
    (person, ) = result['predictions'][0]
    np.testing.assert_allclose(other['keypoints_2d'], person['keypoints_2d'], atol=0.05)
    np.testing.assert_allclose(other['keypoints'], person['keypoints'], atol=0.5)
