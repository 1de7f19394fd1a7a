#!/usr/bin/env bash
# Make the head's weights of the model `photo`: fetch the backbone, render photographs, train, and write the file of the
# package. In one process beside other work, rendering took 9 minutes and training 45. The data have 0.7 GB. The same
# command continues a stopped run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$(cd "${VIRTUAL_ENV:-.venv}/bin" && pwd)/python
config=configs/photo/integral_blazepose_photo.py work=work_dirs/photo
export PHOTO_ROOT=data/photo
"$python" -m mmpose_integral get-model photo
backbone=$("$python" -W ignore -c "from mmpose_integral.apis import user_folder
print(user_folder() / 'checkpoints' / 'blazepose_full.pth')")
# Another seed than that of the stand-in data, so that no person is in both.
"$python" tools/make_standin.py --root "$PHOTO_ROOT" --seed 2718 --photographs --image-size 320 \
    --num-train 24000 --num-val 500 --num-test 0 --num-mpii 0 --num-coco 0
"$python" -c "import sys; from mmpose_integral.synthetic.prepare import prepare_from_truth
prepare_from_truth(sys.argv[1], splits=('train', 'val'))" "$PHOTO_ROOT"
PYTHON=$python bash tools/dist_run.sh tools/train.py 2 "$config" --work-dir "$work" --resume --cfg-options \
    train_dataloader.batch_size=32 model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint="$backbone"
"$python" tools/test.py "${config%.py}_upright.py" "$work"/best_*.pth --predictions "$work/val.npz"
"$python" tools/plot_calibration.py "$work/val.npz" --out "$work/calibration.png" --store "$work"/best_*.pth
"$python" tools/publish_checkpoint.py "$config" "$work"/best_*.pth mmpose_integral/assets/photo_head.pth --head-only
