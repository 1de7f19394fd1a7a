#!/usr/bin/env bash
# Measure what only a GPU can show, the most important first, in one call of at most nine minutes.
#
#   bash tools/benchmark/gpu.sh OUT                      # needs the packages of this project, or WHEELS=FOLDER of wheels.sh
#   bash tools/benchmark/gpu.sh OUT --device cpu         # rehearsal with tiny sizes
#   python tools/benchmark/report.py OUT/benchmark docs/benchmarks.md
#
# Every result is written as soon as it is known: OUT/steps.txt has a line per step, OUT/STEP.log the step's messages,
# OUT/benchmark the records of run.py, OUT/ablation the rows of Table 2 on stand-in data. A step that fails or exceeds
# its time limit does not end the call. SECONDS_LEFT (default 520) is the limit of all steps, PYTHON the interpreter.
set -uo pipefail
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
case $# in 1) device=cuda ;; 3) [[ $2 == --device && $3 =~ ^(cpu|cuda)$ ]] || usage; device=$3 ;; *) usage ;; esac
mkdir -p "$1" || exit 1
out=$(cd "$1" && pwd) python=${PYTHON:-python} end=$((SECONDS + ${SECONDS_LEFT:-520}))
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
: > "$out/steps.txt"

step() {  # NAME LIMIT COMMAND...: run a command for at most LIMIT seconds
    local name=$1 limit=$2 begun=$SECONDS left=$((end - SECONDS)) status
    shift 2
    ((limit < left)) || limit=$left
    if ((limit < 5)); then
        echo "$name: not started, no time left" | tee -a "$out/steps.txt"
        return
    fi
    timeout --signal INT --kill-after 10 "$limit" "$@" > "$out/$name.log" 2>&1
    status=$?
    echo "$name: status $status after $((SECONDS - begun)) s$( ((status == 124)) && echo ', time limit')" |
        tee -a "$out/steps.txt"
}

scenario() {  # NAME LIMIT [OPTIONS]: a scenario of run.py, with small sizes in a rehearsal
    local name=$1 limit=$2 quick=()
    shift 2
    [[ $device == cuda ]] || quick=(--quick)
    step "$name" "$limit" "$python" tools/benchmark/run.py "$name" --device "$device" --out "$out/benchmark" \
        ${quick[@]+"${quick[@]}"} "$@"
}

if [[ -n ${WHEELS:-} ]]; then
    step install 90 "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$out/site" "$WHEELS"/*.whl
    export PYTHONPATH=$out/site${PYTHONPATH:+:$PYTHONPATH}
fi
export PYTHONUNBUFFERED=1 PYTHONWARNINGS=ignore MPLBACKEND=Agg
step tests 100 "$python" -m pytest -q -p no:cacheprovider -rs tests/test_ops tests/test_ops_package
scenario soft_argmax 90
rounds=(--rounds 5) workers=(1 2 4 8 16) data=(2800 400 1800 2000) ablation=(--jobs 8)
if [[ $device == cpu ]]; then
    rounds=(--rounds 1) workers=(1) data=(16 8 16 16) ablation=(--jobs 1 --steps 2 --h80k-frames 8 --rows no-box mpii)
fi
scenario training_step 170 "${rounds[@]}" --training-step-each-part --training-step-profile "$out/traces"
scenario inference 80 "${rounds[@]}"
scenario data_loading 60 "${rounds[@]}" --data-loading-workers "${workers[@]}"
standin=$out/standin
step standin 60 "$python" tools/make_standin.py --root "$standin" --num-train "${data[0]}" --num-val "${data[1]}" \
    --num-test 0 --num-mpii "${data[2]}" --num-coco "${data[3]}"
step truth 30 "$python" -c "import sys; from mmpose_integral.synthetic.prepare import prepare_from_truth
prepare_from_truth(sys.argv[1], splits=('train', 'val'))" "$standin"
ablation=(tools/ablation.py --standin --data-root "$standin" --work-dir "$out/ablation" --seeds 0 "${ablation[@]}")
step ablation "$((end - SECONDS - 25))" "$python" "${ablation[@]}"
end=$((end + 30))
step ablation_tables 30 "$python" "${ablation[@]}" --collect
rm -rf "$standin" "$out/site"
