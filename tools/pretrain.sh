#!/usr/bin/env bash
# Make the pretrained weights of the quickstart: render other people, train on them, and write the files of the package.
# It takes about 90 minutes on two cores, and 1.5 GB of disk space. The same command continues a stopped run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$(cd "${VIRTUAL_ENV:-.venv}/bin" && pwd)/python
export STANDIN_ROOT=data/pretrain
# The stand-in data of the quickstart have seed 0. People, clothes, poses and scenes of another seed are other draws.
"$python" tools/make_standin.py --root "$STANDIN_ROOT" --seed 1809 --random-backgrounds --random-people \
    --num-train 24000 --num-val 400 --num-test 0 --num-mpii 10000 --num-coco 16000
"$python" -c "import sys; from mmpose_integral.synthetic.prepare import prepare_from_truth
prepare_from_truth(sys.argv[1], splits=('train', 'val'))" "$STANDIN_ROOT"
# pretrain CONFIG CHECKPOINT FILE: train in two processes; write CHECKPOINT of the work folder to FILE of the package
pretrain() {
    local config=configs/quickstart/$1.py work=work_dirs/$1
    PYTHON=$python bash tools/dist_run.sh tools/train.py 2 "$config" --work-dir "$work" --resume --cfg-options \
        train_dataloader.batch_size=16 train_dataloader.num_workers=0 train_dataloader.persistent_workers=False
    # shellcheck disable=SC2086  # the name of the best checkpoint has a *
    "$python" tools/publish_checkpoint.py "$config" "$work"/$2 "mmpose_integral/assets/$3"
}
pretrain pretrain_rtmdet_nano 'epoch_12.pth' pretrained_rtmdet_nano_standin.pth
pretrain pretrain_r18_standin 'best_*.pth' pretrained_r18_standin.pth
