"""Bad arguments and files of every command: exit status 1 or 2, a sentence that names them, and no output file.

A row is a command line, the exit status and a regular expression for the message. ``{x}`` is the file x of conftest.py,
and ``{:x}`` that of the project. Status 2 is for arguments that argparse refuses.
"""
import re
import sys
import threading

import cv2
import pytest
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from small_training import REPO, files_in

from mmpose_integral.cli.main import COMMANDS, main
from mmpose_integral.visualization import IntegralPose3dVisualizer

JOB = '--index {h80k_val.npz} --root {h80k} --out o.json'
DETECTOR = '{:configs/quickstart/detector_rtmdet_nano.py}'
WEIGHTS = '{:mmpose_integral/assets/detector_rtmdet_nano_standin.pth}'
KEYPOINTS_2D = 'prepare keypoints-2d {config.py} {a.pth} --index {h80k_val.npz} --root {h80k} --out o.npz'
CAMERAS = 'prepare cameras --index {h80k_train.npz} --keypoints-2d {h80k_train_keypoints_2d.npz} --out c.npz'
CACHES = 'prepare official-caches --out-dir o --index {h80k_val.npz}'
TRAIN = 'train {config.py} --cfg-options'
SOURCE = 'train_dataloader.dataset.datasets'
TEST = 'test {config.py} {a.pth} --cfg-options'
PHOTO = 'infer {photo.jpg} --whole-image --pose3d'
STANDIN = f'{PHOTO} standin'
STANDIN_CONFIG = '{:configs/quickstart/integral_r18_standin.py}'
NO_WEIGHTS = 'is no torch checkpoint that can be loaded safely'

ROWS = [
    # train
    ('train absent.py', 1, r'absent\.py: no such config file'),
    ('train {folder}', 1, 'folder is a folder; expected: config file'),
    ('train {fifo}', 1, 'fifo is a named pipe; expected: config file'),
    ('train {config.py} --launcher pytorch', 1, '--launcher pytorch: RANK is not set, .* not started by torchrun'),
    ('train {config.py} --launcher nonsense', 2, "--launcher: invalid choice: 'nonsense'"),
    ('train {config.py} --resume absent.pth', 1, r'absent\.pth: no such checkpoint'),
    ('train {config.py} --resume {page.pth}', 1, r'page\.pth is a web page, not a torch checkpoint'),
    ('train {config.py} --auto-scale-lr --resume {folder}', 1, 'folder is a folder; expected: checkpoint'),
    (f'{TRAIN} train_dataloader.num_workers=-1', 1, 'cannot be built: num_workers option should be non-negative'),
    (f'{TRAIN} train_dataloader.batch_size=0', 1, 'EqualPartsBatchSampler cannot be built: batch_size: at least 2'),
    (f'{TRAIN} val_dataloader.batch_size=0', 1, 'cannot be built: batch_size should be a positive integer'),
    (f'{TRAIN} model.head.num_joints=17', 1, r'the first step failed \(output, target .* \(4, 17, 3\), \(4, 18, 3\)'),
    (f'{TRAIN} model.head.in_channels=65', 1, r'the first step failed \(RuntimeError: .* 65 channels'),
    (f'{TRAIN} model.backbone.depth=7', 1, 'ResNet cannot be built: invalid depth 7'),
    (f'{TRAIN} model.type=Nothing', 1, 'Nothing cannot be built: Nothing is not in'),
    (f'{TRAIN} model.head.decoder.input_size=[0,64]', 1, 'Integral3DLabel cannot be built: input_size: two positive'),
    (f'{TRAIN} model.data_preprocessor.mean=[1,2]', 1, 'PoseDataPreprocessor cannot be built: AssertionError: `mean`'),
    (f'{TRAIN} load_from=3', 1, 'load_from=3: text is expected'),
    (f'{TRAIN} log_level=LOUD', 1, 'cannot be built: LOUD is unknown'),
    (f'{TRAIN} randomness.seed=-1', 1, 'cannot be built: Seed must be between 0 and'),
    (f'{TRAIN} env_cfg.mp_cfg.mp_start_method=hop', 1, "cannot be built: cannot find context for 'hop'"),
    (f'{TRAIN} train_cfg.max_epochs=0', 1, r'train_cfg\.max_epochs=0: a whole number of at least 1'),
    (f'{TRAIN} train_cfg.val_interval=0', 1, r'train_cfg\.val_interval=0: a whole number of at least 1'),
    (f'{TRAIN} optim_wrapper.optimizer.lr=nan', 1, 'Adam cannot be built: Invalid learning rate: nan'),
    (f'{TRAIN} optim_wrapper.optimizer.type=Adamm', 1, 'optimizer.type=Adamm: there is no such optimizer'),
    (f'{TRAIN} param_scheduler.0.factor=7', 1, r'the first step failed \(Factor should be < 1'),
    (f'{TRAIN} default_hooks.checkpoint.save_best=nothing', 1, "save_best: 'nothing' was not measured; there are h80k"),
    (f'{TRAIN} {SOURCE}.0.ann_file=absent.npz', 1, r'absent\.npz: no such H80K index'),
    (f'{TRAIN} {SOURCE}.0.ann_file={{text.npz}}', 1, r'H80KDataset cannot be built: H80K index .*text\.npz: not reada'),
    (f'{TRAIN} {SOURCE}.0.ann_file={{h80k_test.npz}}', 1, 'is of Train, and the index is of Test'),
    (f'{TRAIN} {SOURCE}.0.bbox_file={{deep.json}}', 1, r'deep\.json is not JSON: it is nested too deeply'),
    (f'{TRAIN} {SOURCE}.0.camera_file={{seven.npz}}', 1, r'file of cameras .*seven\.npz has no model'),
    (f'{TRAIN} {SOURCE}.0.data_root=absent', 1, 'No such file or directory: .absent/Train/IMG/'),
    (f'{TRAIN} {SOURCE}.0.pipeline.2.padding=-1', 1, 'bbox_center, bbox_scale: finite px, and a scale above 0'),
    (f'{TRAIN} {SOURCE}.1.ann_file={{deep.json}}', 1, r'deep\.json is no file of annotations in the format of mpii'),
    (f'{TRAIN} {SOURCE}.1.ann_file={{list.json}}', 1, r'list\.json is no file of annotations in the format of mpii'),
    (f'{TRAIN} {SOURCE}.1.ann_file={{dict.json}}', 1, r'dict\.json: none of 0 people is left'),
    (f'{TRAIN} {SOURCE}.1.ann_file={{fifo}}', 1, 'fifo is a named pipe; expected: JSON file of annotations'),
    (f'{TRAIN} {SOURCE}.1.ann_file={{zero}}', 1, 'zero is a device; expected: JSON file of annotations'),
    # test
    ('test {config.py}', 1, 'a checkpoint is expected as second argument'),
    ('test {config.py} {zero}', 1, 'zero is a device; expected: checkpoint'),
    ('test {config.py} {empty.pth}', 1, r'empty\.pth is no torch checkpoint, or is cut short'),
    ('test {config.py} {h80k_val.npz}', 1, r'h80k_val\.npz is no torch checkpoint, or is cut short'),
    ('test {config.py} {a.pth} --out metrics.txt', 2, r'--out: a name that ends in \.json .* got metrics\.txt'),
    ('test {config.py} {a.pth} --dump p.json', 2, r'--dump: a name that ends in \.pkl'),
    ('test {config.py} {a.pth} --interval 0', 2, '--interval: at least 1 expected, got 0'),
    (f'{TEST} test_dataloader.num_workers=-1', 1, 'num_workers option should be non-negative'),
    (f'{TEST} test_evaluator.index_files.val={{text.npz}}', 1, r'H80KMetric cannot be built: .*text\.npz'),
    (f'{TEST} test_dataloader.dataset.ann_file={{h80k_train.npz}}', 1, 'is of Val, and the index is of Train'),
    (f'{TEST} model.head.num_joints=17', 1, r'a\.pth: the checkpoint is not of this config: .*final_layer'),
    # submit
    ('submit', 2, 'a config and its checkpoints are expected, or --check SUBMISSION'),
    ('submit {config.py} {a.pth}', 1, 'no mean skeleton length of train.val .* give --bone-length'),
    ('submit {config.py} {a.pth} --weights 1 2', 1, '--weights: one weight for each .* got 2 for 1'),
    ('submit {config.py} {a.pth} {a.pth}', 1, r'a\.pth is given more than once'),
    ('submit {config.py} {a.pth} --index {h80k_test.npz}', 2, '--index is for --check only'),
    ('submit --check absent.zip --index {h80k_test.npz}', 1, r'absent\.zip cannot be read .*No such file'),
    ('submit --check {text.zip} --index {h80k_test.npz}', 1, r'text\.zip cannot be read as a ZIP archive or a folder'),
    ('submit --check {no_name.zip} --index {h80k_test.npz}', 1, r'Test_Prediction\.JSON is missing'),
    ('submit --check {version.zip} --index {h80k_test.npz}', 1, r'is no ZIP archive .* zip file version 23\.5'),
    ('submit --check {fifo} --index {h80k_test.npz}', 1, 'fifo is a named pipe'),
    ('submit --check {h80k_val.npz} --index {h80k_test.npz}', 1, r'split\.npy is not expected'),
    ('submit --check {folder} --index {text.npz}', 1, r'H80K index .*text\.npz: not readable as an npz file'),
    ('submit --check {folder}', 1, r'h80k_test\.npz: no such H80K index; .*--index names the index'),
    # ensemble
    ('ensemble absent.npz --annotations .', 1, r'absent\.npz: no such file of predictions'),
    ('ensemble {fifo} --annotations .', 1, 'fifo is a named pipe; expected: file of predictions'),
    ('ensemble {h80k_val.npz} --annotations {.}', 1, 'has no paths, box_found, pred_px, only faulty'),
    ('ensemble {seven.npz} --annotations absent', 1, r'absent/h80k_val\.npz: no such H80K index'),
    ('ensemble {seven.npz} --annotations {.} --weights 1 2', 1, r'weights: 1 numbers above 0 expected, got \[1\.0, 2'),
    ('ensemble {seven.npz} {five.npz} --annotations {.}', 1, 'are of different frames, 5 and 7'),
    ('ensemble {nan.npz} --annotations {.}', 1, 'skeleton length is zero or not finite for 7'),
    ('ensemble {seven.npz} --annotations {.} --submission s.zip', 1, 'frame 7 is not in the index of Test'),
    ('ensemble a.npz --annotations a --bone-length=0', 2, '--bone-length: .*mm expected, 500 to 20000'),
    ('ensemble a.npz --annotations a --bone-length=4.5', 2, '--bone-length: .*mm expected, 500 to 20000'),
    ('ensemble a.npz --annotations a --weights=nan', 2, '--weights: a positive number expected, got nan'),
    # outputs in the place of inputs
    ('publish {config.py} {a.pth} {a.pth}', 1, r'a\.pth would replace an input of this call; choose another'),
    ('convert-official {a.pth} --out {a.pth}', 1, r'a\.pth would replace an input'),
    ('convert-3dmppe {a.pth} --out {a.pth}', 1, r'a\.pth would replace an input'),
    ('ensemble {seven.npz} --annotations {.} --out-predictions {seven.npz}', 1, r'seven\.npz would replace an input'),
    ('ensemble {seven.npz} --annotations {.} --out {folder}/../seven.npz', 1, r'seven\.npz would replace an input'),
    ('submit {config.py} {seven.npz} --predictions {seven.npz}', 1, r'seven\.npz would replace an input'),
    ('test {config.py} {a.pth} --out p.pkl --dump p.pkl', 1, r'p\.pkl would replace another output of this call'),
    (CAMERAS.replace('c.npz', '{h80k_train.npz}'), 1, r'h80k_train\.npz would replace an input'),
    (f'prepare boxes {DETECTOR} {WEIGHTS} {JOB}'.replace('o.json', '{h80k_val.npz}'), 1, r'val\.npz would replace'),
    (f'{KEYPOINTS_2D} --boxes {{list.json}}'.replace('o.npz', '{list.json}'), 1, r'list\.json would replace an input'),
    ('plot-calibration {seven.npz} --json {seven.npz}', 1, r'seven\.npz would replace an input'),
    (f'{STANDIN} --csv {{photo.jpg}}', 1, r'photo\.jpg would replace an input'),
    (f'{STANDIN} --csv a.npz --npz a.npz', 1, r'a\.npz would replace another output'),
    (f'{PHOTO} {STANDIN_CONFIG} --pose3d-weights {{a.pth}} --csv {{a.pth}}', 1, r'a\.pth would replace an input'),
    # export, conversion, publication
    ('export absent', 1, "alias 'absent' is neither in"),
    ('export {config.py}', 1, 'its CHECKPOINT is expected as second argument'),
    ('export {config.py} {a.pth}', 1, r'a\.pth has no meta\.dataset_meta'),
    ('export {config.py} {a.pth} --bbox 1 2 3', 2, '--bbox: --image and four numbers'),
    ('export standin --image {text.jpg}', 1, r'text\.jpg cannot be decoded as an image'),
    ('export standin --image {fifo}', 1, 'fifo is a named pipe; expected: image'),
    ('export standin --image {photo.jpg} --bbox 9 9 1 1', 1, r'bboxes of .*photo\.jpg: x1 < x2'),
    ('export standin --name ../a', 2, r'--name: a name without a folder expected, got \.\./a'),
    ('convert-official absent.pth', 1, r'absent\.pth: no such checkpoint'),
    ('convert-official {page.pth}', 1, r'page\.pth is a web page'),
    ('convert-official {a.pth}', 1, r"a\.pth: checkpoint: a dict with 'network' expected"),
    ('convert-official {a.pth} --config {no_model.py}', 1, "a dict with 'network' expected"),
    ('convert-official {a.pth} --alias a/b', 2, "--alias: alias: letters, digits, .* got 'a/b'"),
    ('convert-official http://127.0.0.1:9/a.pth', 1, r'http://127\.0\.0\.1:9/a\.pth cannot be fetched'),
    ('convert-official a.pth --bone-length=4.5', 2, '--bone-length: .*mm expected, 500 to 20000'),
    ('convert-3dmppe {text.pth}', 1, rf'text\.pth {NO_WEIGHTS}'),
    ('convert-3dmppe {a.pth} --alias a.py', 2, r"--alias: alias: .* no \.py"),
    ('get-model nothing', 2, "invalid choice: 'nothing'"),
    ('get-model photo absent.whl', 1, r'absent\.whl: no such TFLite file or wheel'),
    ('get-model photo {text.whl}', 1, r'text\.whl: SHA-256 of .* is expected'),
    ('get-model photo {h80k_val.npz}', 1, r'h80k_val\.npz has no mediapipe/modules'),
    ('publish {config.py} absent.pth b.pth', 1, r'absent\.pth: no such checkpoint'),
    ('publish {config.py} {a.pth} b.pth', 1, 'its dataset_meta has no skeleton_length'),
    ('publish {text.npz} {a.pth} b.pth', 1, r'text\.npz is no config by its name'),
    # preparation
    ('prepare index absent', 1, 'absent has none of the folders Train, Val, Test'),
    ('prepare index {bad_h80k}', 1, r'IMG/00001\.jpg is not a JPEG image[\s\S]*POSE/00001\.csv has 1 rows, 17 expecte'),
    ('prepare index {bad_h80k} --num-workers=-1', 2, '--num-workers: at least 1 expected, got -1'),
    (f'prepare boxes {{no_model.py}} {JOB}', 1, r'no_model\.py has no model'),
    (f'prepare boxes {{config.py}} {JOB}', 1, 'no checkpoint is given, and the config has no load_from'),
    (f'prepare boxes {{config.py}} {{a.pth}} {JOB}', 1, 'its model is Integral3DEstimator, a detector of MMDetection'),
    (f'prepare boxes {DETECTOR} {{text.pth}} {JOB}', 1, rf'text\.pth {NO_WEIGHTS}'),
    (f'prepare boxes {DETECTOR} {{a.pth}} {JOB}', 1, r'a\.pth: the checkpoint is not of this config'),
    (f'prepare boxes {DETECTOR} {WEIGHTS} {JOB} --person-class nobody', 1, "--person-class 'nobody': no such class"),
    (f'prepare boxes {DETECTOR} {WEIGHTS} {JOB} --launcher pytorch', 1, '--launcher pytorch: RANK is not set'),
    (f'prepare boxes {DETECTOR} {WEIGHTS} --index {{h80k_val.npz}} --root {{h80k}} --out {{text_parts.json}}', 1,
     r'text_parts\.json\.parts/settings\.json is not JSON'),
    (f'prepare boxes {DETECTOR} {WEIGHTS} --index {{h80k_val.npz}} --root {{h80k}} --out {{list_parts.json}}', 1,
     r'settings\.json holds a list, an object with names and values is expected'),
    (f'prepare boxes a.py {JOB} --batch-size=0', 2, '--batch-size: at least 1 expected, got 0'),
    (f'prepare boxes a.py {JOB} --num-workers=-1', 2, '--num-workers: at least 0 expected, got -1'),
    (f'prepare boxes a.py {JOB} --score-thr=nan', 2, '--score-thr: a number from 0 to 1 expected, got nan'),
    (f'{KEYPOINTS_2D} --boxes {{h80k_val_boxes.json}}', 1, r'config\.py: .* cannot be built|the 2D model predicts'),
    (f'{KEYPOINTS_2D} --boxes {{deep.json}}', 1, r'deep\.json is not JSON: it is nested too deeply'),
    (f'{KEYPOINTS_2D} --boxes {{dict.json}}', 1, r'dict\.json is no list of COCO detection results .*a dict was found'),
    (f'{KEYPOINTS_2D} --boxes {{h80k_train_boxes.json}}', 1, 'is of Train, and the index is of Val'),
    (f'{KEYPOINTS_2D} --boxes b --padding=inf', 2, '--padding: a positive number expected, got inf'),
    ('prepare cameras --index {h80k_test.npz} --keypoints-2d {text.npz} --out c.npz', 1, 'Test is a split without pos'),
    ('prepare cameras --index {h80k_train.npz} --keypoints-2d {text.npz} --out c.npz', 1, r'2D joints .*text\.npz: no'),
    (f'{CAMERAS} --root absent', 1, 'folder absent/Train/IMG does not exist'),
    (f'{CAMERAS} --truth {{h80k_val.npz}}', 1, 'has no keypoints_2d, focal, root_depth_mm'),
    (f'{CAMERAS} --focal-length=0', 2, '--focal-length: a positive number expected, got 0'),
    (f'{CAMERAS} --score-thr=nan', 2, '--score-thr: a number from 0 to 1 expected, got nan'),
    (f'{CAMERAS} --model perspective --score-thr 1', 1, 'focal length: 0 of 12 frames determine a camera'),
    ('prepare h36m absent out', 1, r'annotation_body3d/cameras\.pkl: no such file of cameras'),
    ('prepare h36m {h36m_text} out', 1, r'cameras\.pkl is no readable pickle of plain data'),
    ('prepare h36m {h36m_list} out', 1, r"cameras\.pkl: a dict of \('S1', '54138969'\) to R, T"),
    ('prepare h36m {folder} out --train-subjects S1 --val-subjects S1', 2, 'each subject may be in one split only'),
    ('prepare h36m {folder} out --seed=-1', 2, '--seed: 0 to 4294967295 expected, got -1'),
    (CACHES, 2, 'nothing to import: give --keypoints-2d, --boxes or both'),
    (f'{CACHES} --boxes {{folder}}', 1, r'7 of 7 frames of Val have no box file'),
    (f'{CACHES} --keypoints-2d {{command.pkl}}', 1, r'command\.pkl asks for posix\.mkdir, .* was not loaded'),
    (f'{CACHES} --keypoints-2d {{types.pkl}}', 1, 'entry of frame 00001: kpts is no array of numbers'),
    (f'{CACHES} --keypoints-2d {{list.pkl}}', 1, r'list\.pkl has 2 entries, the index of Val runs to frame 00007'),
    # infer
    ('infer', 2, 'INPUT: an image, a folder, a video or webcam expected'),
    ('infer {photo.jpg}', 2, '--pose3d: a model is expected'),
    ('infer {photo.jpg} --pose3d standin --bbox 1 2 3', 2, 'argument --bbox: '),
    (f'{STANDIN} --bbox 1 2 3 4', 2, 'not allowed with argument'),
    ('infer {photo.jpg} {photo.jpg} --pose3d standin --bbox 1 2 30 40', 2, 'exactly one image; got 2 images and 0 vid'),
    ('infer {photo.jpg} --pose3d standin --bbox 1 2 3 nan', 2, 'a finite number expected, got nan'),
    ('infer {photo.jpg} --pose3d standin --bbox 50 10 20 30', 1, 'the image of 128x128 px and no side'),
    (f'{STANDIN} --smooth', 2, '--smooth is for videos and cameras'),
    (f'{STANDIN} --bone-length=0', 2, '--bone-length: total bone length: mm expected, 500 to 20000'),
    (f'{STANDIN} --body-height=0', 2, 'a positive number expected, got 0'),
    (f'{STANDIN} --body-height=1.75', 1, 'body height: mm expected, 500 to 2500'),
    (f'{STANDIN} --body-height 1750 --bone-length 4000', 2, 'not allowed with argument'),
    (f'{STANDIN} --batch-size=0', 2, 'at least 1 expected, got 0'),
    (f'{STANDIN} --bbox-thr=30', 2, 'a number from 0 to 1 expected, got 30'),
    (f'{STANDIN} --views front,below', 2, '--views: view: one of front, side, back'),
    (f'{STANDIN} --npz a.npy', 2, r'--npz: a name that ends in \.npz expected'),
    (f'{STANDIN} --det-weights x.pth', 2, '--det-weights needs --det-model'),
    (f'{STANDIN} --csv a.csv --skip-done', 2, '--skip-done needs the JSON files'),
    (f'{STANDIN} {{photo.jpg}} --vis-out-dir a.jpg', 2, 'is taken for a file'),
    (f'{STANDIN} --out-dir {{photo.jpg}}', 1, 'cannot be written: '),
    (f'{STANDIN} --device nonsense', 1, 'device nonsense cannot be used here'),
    (f'{STANDIN} --show', 1, '--show: this OpenCV cannot open a window'),
    ('infer webcam:1 --pose3d standin', 1, 'webcam:1: this OpenCV cannot open a window'),
    ('infer absent.jpg --pose3d standin', 1, r'absent\.jpg: no such file or folder'),
    ('infer . --pose3d standin', 1, 'no images in this folder'),
    ('infer {fifo} --pose3d standin --whole-image', 1, 'fifo is a named pipe; expected: image'),
    ('infer {empty.jpg} --pose3d standin --whole-image', 1, r'empty\.jpg cannot be decoded as an image'),
    ('infer {bomb.png} --pose3d standin --whole-image', 1, r'bomb\.png is too large'),
    ('infer {text.mp4} --pose3d standin --whole-image', 1, r'text\.mp4 cannot be decoded as a video'),
    ('infer http://127.0.0.1:9/a.jpg --pose3d standin --whole-image', 1, r'http://127\.0\.0\.1:9/a\.jpg cannot be rea'),
    ('infer s3://a/b.jpg --pose3d standin --whole-image', 1, 'addresses that begin with s3:// are not supported'),
    (f'{PHOTO} unknown', 1, "alias 'unknown' is neither in"),
    (f'{PHOTO} {STANDIN_CONFIG}', 1, 'a checkpoint is needed beside the config'),
    (f'{PHOTO} {{broken.py}} --pose3d-weights {{a.pth}}', 1, r'broken\.py: ResNet cannot be built: invalid depth 7'),
    (f'{PHOTO} {STANDIN_CONFIG} --pose3d-weights absent.pth', 1, r'absent\.pth: no such checkpoint'),
    (f'{PHOTO} {STANDIN_CONFIG} --pose3d-weights {WEIGHTS}', 1, 'the checkpoint is not of this config'),
    (f'{PHOTO} {STANDIN_CONFIG} --pose3d-weights {{photo.jpg}}', 1, NO_WEIGHTS),
    (f'{PHOTO} {{:configs/keypoints_2d/td-hm_hrnet-w32_8xb64-210e_mpii-256x256.py}} --pose3d-weights {WEIGHTS}', 1,
     'is no image-based 3D model'),
    (f'infer {{photo.jpg}} --pose3d standin --det-model {DETECTOR} --det-weights http://127.0.0.1:9/det.pth', 1,
     r'could not be fetched \('),
    # stand-in, reports and drawings
    ('make-standin --root r --num-train=-1', 2, '--num-train: at least 0 expected, got -1'),
    ('make-standin --root r --image-size=8', 1, 'image_size: a whole number >= '),
    ('make-standin --root r --seed=-1', 2, '--seed: 0 to 4294967295 expected'),
    ('make-standin --root r --preview a.txt', 2, r'--preview: a name that ends in \.png'),
    ('quickstart --seed=-1 --work-dir w --data-root d', 2, '--seed: 0 to 4294967295 expected'),
    ('ablation --rows nothing', 2, "--rows: invalid choice: 'nothing'"),
    ('ablation --jobs=0', 2, '--jobs: at least 1 expected, got 0'),
    ('ablation --rows scratch --standin', 2, '--rows scratch: only for the real data'),
    ('visualize-batch {no_model.py}', 1, 'no_model.py: no train_dataloader'),
    ('visualize-batch {config.py} --split test', 2, "--split: invalid choice: 'test'"),
    (f'visualize-batch {{config.py}} --cfg-options {SOURCE}.0.ann_file={{text.npz}}', 1, r'text\.npz: not readable as'),
    ('plot-curve absent', 1, 'absent: no <time>/vis_data/scalars.json below it'),
    ('plot-curve {list.json}', 1, r'list\.json: line 1 is no entry of a log: .1, 2.'),
    ('plot-curve {types.json}', 1, r'types\.json: line 1 is no entry of a log'),
    ('plot-curve {log.json} --metrics nothing', 1, "metrics: 'nothing' was not logged; there are h80k/MPJPE"),
    ('plot-curve {log.json} --baseline=nan', 2, '--baseline: a finite number expected, got nan'),
    ('plateau-epochs {types.json}', 1, r'types\.json: line 1 is no entry of a log'),
    ('plateau-epochs {log.json}', 1, 'the learning rate never dropped in 1 epochs'),
    ('plot-calibration {seven.npz}', 1, 'have no std_px, gt_mm, pred_mm'),
    ('plot-calibration {seven.npz} --bins=0', 2, '--bins: at least 1 expected, got 0'),
    ('box-sensitivity {config.py} {text.pth}', 1, rf'text\.pth {NO_WEIGHTS}'),
    ('box-sensitivity c.py a.pth --scales=nan', 2, '--scales: a positive number expected, got nan'),
    ('box-sensitivity c.py a.pth --edge-stds=-0.1', 2, '--edge-stds: a number from 0 to 1 expected, got -0.1'),
    ('smoothing-report --predictions {videos.npz}', 1, r'videos\.npz: boxes .V, T, 4.'),
    ('smoothing-report --fps=0', 2, '--fps: a positive number expected, got 0'),
    ('smoothing-report --checkpoint {text.pth} --videos 1', 1, NO_WEIGHTS),
    ('smoothing-report --betas=nan', 2, '--betas: a number of at least 0 expected, got nan'),
    ('photo-report absent.json', 1, r'absent\.json: no such JSON file of people in photographs'),
    ('photo-report {deep.json}', 1, r'deep\.json is not JSON: it is nested too deeply'),
    ('photo-report {frames.json}', 1, r'frames\.json, person 0'),
    ('photo-report {coco.json}', 1, r"coco\.json, person 0, counted from 0: no 'images'"),
    ('photo-report {zero}', 1, 'zero is a device; expected: JSON file of people'),
    ('photo-report {people.json} --models nothing', 1, "alias 'nothing' is neither in"),
    ('photo-report {people.json} --min-joints 99', 1, 'nobody in it has 99 joints'),
    # web demo
    ('demo --port=0', 2, '--port: 1 to 65535 expected, got 0'),
    ('demo --host 1.2.3.4', 1, r'the page cannot be served at 1\.2\.3\.4'),
    ('demo --trusted-host http://x', 2, '--trusted-host: a host name without scheme'),
]


@pytest.fixture
def call(bad_files, standin, tmp_path, monkeypatch, capsys):
    """Run a command line as the script does, in an empty folder; exit status, text that was printed, files left."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('MMPOSE_INTEGRAL_HOME', str(tmp_path / 'home'))
    monkeypatch.setattr(cv2, 'currentUIFramework', lambda: '')  # as in opencv-python-headless
    for singletons in (IntegralPose3dVisualizer, MMLogger, MessageHub):  # those of the last row have its files
        singletons._instance_dict.clear()

    def place(match):
        name = match[1]
        return str(REPO / name[1:] if name[:1] == ':' else standin / 'h80k' if name == 'h80k' else bad_files / name)

    def run(line):
        words = [re.sub(r'\{(.*?)\}', place, word) for word in line.split()]
        monkeypatch.setattr(sys, 'argv', ['mmpose-integral', *words])
        try:
            status = main()
        except SystemExit as stop:
            status = stop.code
        captured = capsys.readouterr()
        return status, captured.err, captured.out
    return run


@pytest.mark.usefixtures('one_thread')
@pytest.mark.parametrize('line, status, pattern', ROWS, ids=[row[0] for row in ROWS])
def test_bad_arguments_and_files_are_named(line, status, pattern, call, tmp_path):
    found, err, out = call(line)
    text = out if '--check' in line else err
    assert (found, 'Traceback' in err) == (status, False) and re.search(pattern, text + err), err
    message = err.strip().splitlines()[-1] if status == 2 or err.strip() else ''
    assert len(message) < 1500
    # A training begins with its log, and keeps the traceback of a first step for developers.
    left = [name for name in files_in(tmp_path) if not re.search(r'\.log$|\.lock$|traceback|/config\.py$', name)]
    assert not left or 'save_best=nothing' in line and all('work_dirs/config/' in name for name in left)
    # Other threads, such as those of a server, can still build loggers.
    other = threading.Thread(target=DefaultScope.get_current_instance, daemon=True)
    other.start()
    other.join(10)
    assert not other.is_alive()


def test_every_command_has_rows():
    assert {command for command in COMMANDS if not any(line.startswith(command) for line, *_ in ROWS)} == set()
    assert len(ROWS) > 100
