"""Compile the Triton kernels of the soft-argmax for a GPU that need not be present, and examine the machine code.

The output gives registers and spilled bytes per thread, instructions per logit (of the loop, if there is one), and the
reads and writes of 16 bytes in a step of two vectors per thread. Triton brings ptxas and cuobjdump.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence

os.environ.pop('TRITON_INTERPRET', None)  # otherwise the kernels are Python functions

import triton.language as tl
from triton import JITFunction, knobs
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from mmpose_integral.cli.main import run_safely
from mmpose_integral.ops import soft_argmax_kernels as kernels
from mmpose_integral.ops.soft_argmax_triton import ROWS, WARPS

VECTORS = {'float32': ('*fp32', 4), 'bfloat16': ('*bf16', 8), 'bfloat16, not aligned': ('*bf16', 1)}
VARIANTS: dict[str, tuple[JITFunction, dict]] = {
    'forward': (kernels.expectation_kernel, dict(SQUARED=False)),
    'variance': (kernels.expectation_kernel, dict(SQUARED=True)),
    'backward': (kernels.gradient_kernel, {})}
VOLUME = dict(P0=2, P1=1, P2=0, N0=72, N1=96, N2=72)  # the paper's
STATISTICS = ('parts', 'centre', 'lse', 'mean', 'grad_mean', 'steps')  # float32; other pointers are of the logits' type


def compile_kernel(kernel: JITFunction, pointer: str, constants: dict, capability: int,
                   warps: int) -> tuple[bytes, dict[str, int]]:
    """Machine code, and registers and spilled bytes per thread; pointers are aligned to 16 bytes, as in a launch."""
    pointers = dict.fromkeys(('logits', 'grad'), pointer) | dict.fromkeys(STATISTICS, '*fp32')
    names = kernel.arg_names
    signature = {name: 'constexpr' if name in constants else pointers.get(name, 'i32') for name in names}
    aligned = {(i,): [['tt.divisibility', 16]] for i, name in enumerate(names) if signature[name].startswith('*')}
    source = ASTSource(fn=kernel, signature=signature, attrs=aligned,
                       constexprs={name: constants[name] for name in names if name in constants})
    cubin = compile(source, target=GPUTarget('cuda', capability, 32), options=dict(num_warps=warps)).asm['cubin']
    usage = dict(re.findall(r'(REG|STACK|LOCAL):(\d+)', cuobjdump(cubin, '-res-usage')))
    return cubin, dict(registers=int(usage['REG']), spilled_bytes=int(usage['STACK']) + int(usage['LOCAL']))


def cuobjdump(cubin: bytes, option: str) -> str:
    """Output of cuobjdump for a compiled kernel."""
    with tempfile.NamedTemporaryFile(suffix='.cubin') as file:
        file.write(cubin)
        file.flush()
        # Triton gives the path of its own copy of cuobjdump.
        return subprocess.run([knobs.nvidia.cuobjdump.path, option, file.name],  # nosec B603
                              capture_output=True, text=True, check=True).stdout


def instructions(cubin: bytes) -> list[str]:
    """Instructions of the longest loop, or of the whole kernel if it has none."""
    lines = [(int(address, 16), text) for address, text in
             re.findall(r'/\*([0-9a-f]{4,5})\*/\s+(.*?);', cuobjdump(cubin, '-sass'))]
    loops = []
    for end, text in lines:
        target = re.search(r'\bBRA (?:\S+, )?0x([0-9a-f]+)', text)
        if target and int(target[1], 16) < end:  # an endless jump to itself follows each kernel
            loops.append([line for address, line in lines if int(target[1], 16) <= address <= end])
    return max(loops, key=len, default=[text for _, text in lines if not text.startswith('NOP')])


def rows_of(capability: int) -> Iterator[dict]:
    """One row per type of logits and kernel."""
    for logits, (pointer, vector) in VECTORS.items():
        for name, (kernel, more) in VARIANTS.items():
            constants = dict(more, **VOLUME, V=vector, ROWS=ROWS, DTYPE=tl.float32, s2=1)
            cubin, resources = compile_kernel(kernel, pointer, constants, capability, WARPS)
            body = instructions(cubin)
            yield dict(capability=capability, type=logits, kernel=name, **resources,
                       instructions_per_logit=round(len(body) / (vector * ROWS // (32 * WARPS)), 1),
                       wide_reads=sum('LDG.E.128' in text for text in body),
                       wide_writes=sum('STG.E.128' in text for text in body))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--capability', type=int, nargs='+', default=[80, 90],
                        help='compute capabilities of the GPUs: 80 is A100, 90 is H100 and H200 (default: both)')
    args = parser.parse_args(argv)
    for capability in args.capability:
        for row in rows_of(capability):
            print(json.dumps(row), flush=True)


if __name__ == '__main__':
    sys.exit(run_safely(main))
